"""SRAM by CACTI: the points that `hw/components/sram.py` is fitted to, made anew by one command.

    python3 tools/environment.py zigzag && .venv/bin/python tools/cacti_points.py

CACTI's sources come with ZigZag; they are compiled in a temporary folder and stay there. One point is one run: a plain
RAM (no tags, no ECC) with one bank and one read-write port at 45 nm and 350 K, the organisation with the least energy
times delay squared, semi-global wires, conservative projection. Cells and periphery are either of the roadmap's
high-performance kind or of its low-standby-power kind. About four minutes on two cores.
"""

import csv
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
POINTS = ROOT / "src/lamina/hw/components/cacti.csv"
SOURCES = "lib/python3*/site-packages/zigzag/cacti/cacti_master"
COLUMNS = ("kind", "capacity_bytes", "width_bits", "read_j", "write_j", "leakage_w", "area_m2", "access_s", "cycle_s")
KINDS = {"high_performance": "itrs-hp", "low_standby_power": "itrs-lstp"}
CAPACITIES = tuple(2**k for k in range(10, 25))  # bytes: 1 KiB to 16 MiB
WIDTHS = (32, 64, 128, 256, 512, 1024)  # bits
NODE_UM = 0.045

CONFIGURATION = """\
-size (bytes) {capacity_bytes}
-block size (bytes) {width_bytes}
-associativity 1
-read-write port 1
-exclusive read port 0
-exclusive write port 0
-single ended read ports 0
-UCA bank count 1
-technology (u) {node_um}
-page size (bits) 8192
-burst length 8
-internal prefetch width 8
-Data array cell type - "{kind}"
-Data array peripheral type - "{kind}"
-Tag array cell type - "{kind}"
-Tag array peripheral type - "{kind}"
-output/input bus width {width_bits}
-operating temperature (K) 350
-cache type "ram"
-tag size (b) "default"
-access mode (normal, sequential, fast) - "normal"
-design objective (weight delay, dynamic power, leakage power, cycle time, area) 0:0:0:100:0
-deviate (delay, dynamic power, leakage power, cycle time, area) 20:100000:100000:100000:100000
-NUCAdesign objective (weight delay, dynamic power, leakage power, cycle time, area) 100:100:0:0:100
-NUCAdeviate (delay, dynamic power, leakage power, cycle time, area) 10:10000:10000:10000:10000
-Optimize ED or ED^2 (ED, ED^2, NONE): "ED^2"
-Cache model (NUCA, UCA)  - "UCA"
-NUCA bank count 0
-Wire signaling (fullswing, lowswing, default) - "Global_30"
-Wire inside mat - "semi-global"
-Wire outside mat - "semi-global"
-Interconnect projection - "conservative"
-Core count 8
-Cache level (L2/L3) - "L3"
-Add ECC - "false"
-Print level (DETAILED, CONCISE) - "CONCISE"
-Print input parameters - "false"
-Force cache config - "false"
-Ndwl 1
-Ndbl 1
-Nspd 0
-Ndcm 1
-Ndsam1 0
-Ndsam2 0
-dram_type "DDR3"
-io state "WRITE"
-addr_timing 1.0
-mem_density 4 Gb
-bus_freq 800 MHz
-duty_cycle 1.0
-activity_dq 1.0
-activity_ca 0.5
-num_dq 72
-num_dqs 18
-num_ca 25
-num_clk 2
-num_mem_dq 2
-mem_data_width 8
-rtt_value 10000
-ron_value 34
-tflight_value
-num_bobs 1
-capacity 80
-num_channels_per_bob 1
-first metric "Cost"
-second metric "Bandwidth"
-third metric "Energy"
-DIMM model "ALL"
-mirror_in_bob "F"
"""  # what follows Ndsam2 is of an off-chip bus: it changes no figure that is taken, CACTI stops without it


def main() -> int:
    """Compile, run the grid, write the points; 1 where CACTI is not there or a point fails."""
    found = sorted((ROOT / ".venv-zigzag").glob(SOURCES))
    if not found:
        print("no CACTI: run  python3 tools/environment.py zigzag  first", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        built = build(found[0], Path(folder))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            rows = [row for row in pool.map(lambda point: run(built, *point), grid()) if row]
    with POINTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(f"{len(rows)} points in {POINTS}", file=sys.stderr)
    return 0


def grid() -> Iterator[tuple[str, int, int]]:
    """Kind, capacity in bytes, width in bits of every point."""
    for kind in KINDS:
        for capacity in CAPACITIES:
            for width in WIDTHS:
                yield kind, capacity, width


def build(sources: Path, folder: Path) -> Path:
    """CACTI compiled in `folder`: the folder it has to be started in."""
    copy = folder / "cacti"
    shutil.copytree(sources, copy)
    subprocess.run(["make", "-C", str(copy), "opt"], check=True, capture_output=True)
    return copy


def run(cacti: Path, kind: str, capacity_bytes: int, width_bits: int) -> list[str] | None:
    """One point, as a row of the table, in SI units; None where CACTI finds no organisation (wide and very small)."""
    name = f"{kind}-{capacity_bytes}-{width_bits}.cfg"
    text = CONFIGURATION.format(
        capacity_bytes=capacity_bytes,
        width_bits=width_bits,
        width_bytes=width_bits // 8,
        node_um=NODE_UM,
        kind=KINDS[kind],
    )
    (cacti / name).write_text(text)
    answer = subprocess.run(["./cacti", "-infile", name], cwd=cacti, check=False, capture_output=True, text=True)
    if "no valid data array organizations" in answer.stdout:
        return None
    answer.check_returncode()
    (header, values) = (line.split(", ") for line in (cacti / f"{name}.out").read_text().splitlines())
    said = dict(zip(map(str.strip, header), values, strict=True))
    quantities = {
        "read_j": float(said["Dynamic read energy (nJ)"]) * 1e-9,
        "write_j": float(said["Dynamic write energy (nJ)"]) * 1e-9,
        "leakage_w": float(said["Standby leakage per bank(mW)"]) * 1e-3,
        "area_m2": float(said["Area (mm2)"]) * 1e-6,
        "access_s": float(said["Access time (ns)"]) * 1e-9,
        "cycle_s": float(said["Random cycle time (ns)"]) * 1e-9,
    }
    return [kind, str(capacity_bytes), str(width_bits), *(f"{v:.5g}" for v in quantities.values())]


if __name__ == "__main__":
    sys.exit(main())
