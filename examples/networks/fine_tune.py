"""Fine-tunes LRPose-s on photographs of one's own and says what that brought on others.

python examples/networks/fine_tune.py mine/train.json mine/dev.json runs/mine
"""

import subprocess
import sys


def run(command: str, **options: object) -> str:
    words = command.split()
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(train: str, dev: str, folder: str, epochs: str = "30") -> None:
    model = f"{folder}/fine-tuned.onnx"
    # The dev file scores the run as it goes; at its end the file's thresholds are measured on it.
    run(
        "litepose-export train lrpose-s --init lrpose-s",
        data=train,
        dev=dev,
        out=folder,
        epochs=epochs,
        data_name="my photographs",
        licence="all rights reserved",
    )
    run("litepose-export export lrpose-s", checkpoint=f"{folder}/last.pt", out=model)
    for name in ("lrpose-s", model):
        print(run("litepose-edge eval --detector none", model=name, data=dev))


if __name__ == "__main__":
    main(*sys.argv[1:] if len(sys.argv) > 3 else sys.exit(__doc__))
