"""The page: one HTML file that needs nothing else, not even the network.

    run folder ──collect──▶ Run ──sections──▶ headings, tables, figures ──▶ report.html

plotly's script is embedded once and draws the figures in the reader's browser; a content security policy forbids the
page every request. A section whose data the run lacks is left out. Text from files is escaped (`markup`,
`figures.plain`).

Errors     `BadInput` where `path` is no run folder, or a file in it is damaged: it names the file and the section
"""

from importlib import resources, util
from pathlib import Path

import lamina
from lamina.core import files
from lamina.core.errors import BadInput, one_line
from lamina.reporting import sections, style
from lamina.reporting._section import Section
from lamina.reporting.collect import Run, collect
from lamina.reporting.markup import Markup, script_json, tag

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

DRAW = """
const figures = JSON.parse(document.getElementById("figures").textContent);
const settings = {displaylogo: false, displayModeBar: false};
for (const [name, figure] of Object.entries(figures)) {
  const place = document.getElementById(name);
  if (window.innerWidth < 600) {
    if (figure.layout.yaxis.scaleanchor) {
      figure.layout.height = Math.min(figure.layout.height, place.clientWidth + 40);
      place.style.minHeight = figure.layout.height + "px";
    }
    figure.layout.margin = {...figure.layout.margin, l: 40, r: 8};
    figure.layout.font = {...figure.layout.font, size: 12};
  }
  Plotly.newPlot(place, figure.data, figure.layout, settings);
  new ResizeObserver(() => Plotly.Plots.resize(place)).observe(place);
}
"""


def report(run: Path | str) -> Path:
    """Write `report.html` into run folder `run` and return its path."""
    folder = Path(run)
    data = collect(folder)
    path = folder / "report.html"
    files.write(path, page(data).encode())
    return path


def page(run: Run) -> str:
    """The whole page of `run` as HTML."""
    made = [(name, _built(name, build, run)) for name, build in sections.builders()]
    shown = [(name, section) for name, section in made if section is not None]
    figures = {key: figure for _, section in shown for key, figure in section.figures.items()}
    title = _title(run)
    body = [
        tag("header", tag("h1", title), tag("p", _lead(run), class_="lead"), _contents(shown)),
        tag("main", *(_section(name, section) for name, section in shown)),
        tag(
            "footer",
            f"Written by Lamina {lamina.__version__} from the files beside this page. It asks no server for anything.",
        ),
    ]
    if figures:
        body += [
            tag("noscript", tag("p", "The plots need JavaScript; the tables do not.")),
            Markup(f"<script>{_plotly()}</script>"),
            Markup(f'<script type="application/json" id="figures">{script_json(figures)}</script>'),
            Markup(f"<script>{DRAW}</script>"),
        ]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        Markup(f"<style>{style.CSS}</style>"),
    ]
    return f"<!doctype html>\n{tag('html', tag('head', *head), tag('body', *body), lang='en')}\n"


def _built(name: str, build: object, run: Run) -> Section | None:
    try:
        return build(run)  # type: ignore[operator]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError) as e:
        raise BadInput(
            f"{run.path}: the section {name!r} cannot be made from its files ({type(e).__name__}: {one_line(e, 100)}): "
            "one of them is damaged or was edited, run again"
        ) from e


def _title(run: Run) -> str:
    configuration = run.settings["configuration"]
    if configuration.get("network"):  # a table or a sweep: one network, and where it was costed
        return f"{configuration['network']} on {configuration.get('machine') or ', '.join(configuration['machines'])}"
    if configuration.get("recipe") == "reproduce":
        return "Published and reproduced"
    if run.figures.get("title"):
        return str(run.figures["title"])
    model, data = configuration.get("model"), configuration.get("data")
    name = model.get("name") if isinstance(model, dict) else model
    set_ = data.get("name") if isinstance(data, dict) else data
    if not (name and set_):
        return f"Run {run.path.resolve().name}"
    return f"{name} on {set_}" + (", from data to silicon" if configuration.get("recipe") else "")


def _lead(run: Run) -> str:
    configuration = run.settings["configuration"]
    whole = (
        "One network, trained, made smaller, costed, emulated and exported: what came out, each number with its source."
    )
    costed = {
        "sweep": "A design space: what the network costs on each machine in it, and which of them are worth having.",
        "reproduce": "What papers print of their machines, beside what the models say; misses with their reason.",
        "cost": "What one network costs on each machine, layer by layer, each number with its mark and source.",
    }
    recipe = configuration.get("recipe")
    if run.figures.get("title"):
        return (
            f"The study {recipe}, seeds from {configuration['seed']} on: {run.figures['seconds'] / 60:,.1f} min of "
            "processor time. Brackets and bands are 95\u00a0% intervals of the mean over the seeds."
        )
    lead = costed.get(recipe) or (whole if recipe else "What this run left.")
    seed = configuration.get("seed")
    return lead if seed is None else f"{lead} Seed {seed}."


def _contents(shown: list[tuple[str, Section]]) -> Markup:
    links = (tag("li", tag("a", section.title, href=f"#{name}")) for name, section in shown)
    return tag("nav", tag("ul", *links), aria_label="Sections")


def _section(name: str, section: Section) -> Markup:
    return tag(
        "section", tag("h2", section.title, id=f"{name}-title"), section.body, id=name, aria_labelledby=f"{name}-title"
    )


def _plotly() -> str:
    """The script of the installed plotly, without importing it."""
    if util.find_spec("plotly") is None:
        raise BadInput("the plots need the package plotly, which is not installed: pip install plotly")
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    # inside a script element "</script" would end it; in JavaScript's strings and patterns "<\/" is the same text
    return script.replace("</script", "<\\/script")
