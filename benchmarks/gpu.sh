#!/usr/bin/env bash
# Tests, parity, batch invariance, speed and a profile on a CUDA machine, within nine minutes and without a network.
# Only torch and the packages that `--check` names must be installed; Dia itself is read from src. See docs/benchmarks.md.
#
#   benchmarks/gpu.sh                        everything; results in $OUT or ./gpu-results
#   benchmarks/gpu.sh --parts speed,profile  some parts
#   benchmarks/gpu.sh --check                say what is missing, and stop
#   benchmarks/gpu.sh --wheels FOLDER        install wheels from a folder for this run
#   benchmarks/gpu.sh --tiny                 a small model on the CPU, to try the script
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python3}" benchmarks/gpu/run.py "$@"
