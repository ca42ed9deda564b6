"""The test accuracy of `clearprop train digits --plain`, seed by seed: digits_accuracy.py [HOW MANY]."""

import sys
import tempfile

from clearprop.cli import main
from clearprop.train import TableModel

if __name__ == "__main__":
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            print(f"seed {seed}: ", end="", flush=True)
            main(["train", "digits", "--plain", "--quiet", "--seed", str(seed), "--output", folder])
            found.append(100 * TableModel.load(f"{folder}/model.safetensors").about["test"]["accuracy"])
    print(f"least {min(found):.2f} %, mean {sum(found) / seeds:.2f} %, most {max(found):.2f} %")
