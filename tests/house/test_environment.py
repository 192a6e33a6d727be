"""The environment of `make`: made once, made again when what it is made from changes, or when it was interrupted."""

import subprocess

import pytest

from tests.house.tool import load

environment = load("environment")


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """A made-up checkout; every pip command is recorded instead of run."""
    recorded = []
    for name, text in (("Makefile", ""), ("requirements.lock", "numpy==2.4.6\n"), ("pyproject.toml", "[project]\n")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(environment, "PROJECT", tmp_path / "pyproject.toml")

    def run(command, **options):
        if command[1:3] == ["-m", "venv"]:
            command[3].mkdir()
        recorded.append("install Lamina" if "--editable" in command else command[3])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(environment.subprocess, "run", run)

    def made():
        recorded.clear()
        assert environment.main(["main"]) == 0
        return list(recorded)

    made.folder, made.monkeypatch = tmp_path, monkeypatch
    return made


WHOLE = ["venv", "install", "install Lamina", "check"]


def test_it_is_made_once(calls):
    assert [str(c).rpartition("/.")[2] for c in calls()] == WHOLE
    assert calls() == []


def test_a_change_of_the_lock_makes_it_again(calls):
    calls()
    (calls.folder / ".venv" / "left-over").touch()
    (calls.folder / "requirements.lock").write_text("numpy==2.4.7\n")
    assert [str(c).rpartition("/.")[2] for c in calls()] == WHOLE
    assert not (calls.folder / ".venv" / "left-over").exists()


def test_a_change_of_the_project_installs_lamina_alone(calls):
    calls()
    (calls.folder / "pyproject.toml").write_text('[project]\nname = "lamina"\n')
    assert calls() == ["install Lamina", "check"]
    assert calls() == []


def test_a_change_taken_back_after_an_interruption_installs_again(calls):
    calls()
    project = calls.folder / "pyproject.toml"
    before = project.read_text()
    project.write_text('[project]\nname = "lamina"\n')
    with calls.monkeypatch.context() as patch:
        patch.setattr(environment, "pip", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            environment.main(["main"])
    project.write_text(before)
    assert calls() == ["install Lamina", "check"]


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_an_interrupted_one_is_finished(calls, at):
    run, count = environment.subprocess.run, 0

    def killed(*arguments, **options):
        nonlocal count
        count += 1
        if count > at:
            raise KeyboardInterrupt
        return run(*arguments, **options)

    with calls.monkeypatch.context() as patch:
        patch.setattr(environment.subprocess, "run", killed)
        with pytest.raises(KeyboardInterrupt):
            environment.main(["main"])
    again = [str(c).rpartition("/.")[2] for c in calls()]
    assert again == (WHOLE if at < 2 else WHOLE[2:])
    assert calls() == []


def test_a_failing_installation_is_said_and_leaves_no_stamp(calls, capsys):
    with calls.monkeypatch.context() as patch:

        def fails(command, **options):
            raise subprocess.CalledProcessError(7, command)

        patch.setattr(environment.subprocess, "run", fails)
        assert environment.main(["main"]) == 7
    assert "failed: " in capsys.readouterr().err
    assert [str(c).rpartition("/.")[2] for c in calls()] == WHOLE


def test_an_unknown_task_is_refused(capsys):
    assert environment.main(["everything"]) == 2
    assert "main|scalesim|zigzag|bench|tensorflow|lock" in capsys.readouterr().err


def test_the_lock_pins_everything_but_torch():
    lines = [line for line in environment.LOCK.read_text().splitlines() if not line.startswith("#")]
    loose = [line for line in lines if "==" not in line or "*" in line]
    assert [environment.name(line) for line in loose] == ["torch"]
    assert not any("+" in line or " @ " in line for line in lines)
