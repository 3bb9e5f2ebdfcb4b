"""litepose-export: everyday mistakes and a full disk end in tracebacks of other libraries."""
from common import *
import json, shutil
open(R + "/afile", "w").close(); bad = 0; C = D + "/coco/good.json"; CK = R + "/last.pt"
import torch, litepose_edge
from litepose_export.models import networks
_n = networks.find("lrpose-n"); torch.save(_n.build(17, _n.input_size).state_dict(), CK)
BUNDLED = str(next(Path(litepose_edge.__file__).parent.rglob("lrpose-s.fp32.onnx")))
def check(what, *a, after=None):
    global bad
    p = cli("nice", *a, cwd=R); f = "Traceback" in p.stderr
    print("FAULT" if f else "ok   ", what, "-> exit", p.returncode, last(p.stderr)[:110], after() if after else ""); bad += f
check("quantize: no such model", LX, "quantize", "nope.onnx", "--calibration", C, "--out", "q.onnx")
check("verify: no such model", LX, "verify", "nope.onnx", "--checkpoint", CK)
open(R + "/cut.onnx", "wb").write(open(BUNDLED, "rb").read()[:100_000])
check("quantize: cut model", LX, "quantize", "cut.onnx", "--calibration", C, "--out", "q.onnx")
check("verify: cut model", LX, "verify", "cut.onnx", "--checkpoint", CK)
check("train: nobody labelled", LX, "train", "lrpose-n", "--data", D + "/coco/nobody.json", "--out", "tr2", "--steps", "2")
check("train: the folder is a file", LX, "train", "lrpose-n", "--data", C, "--out", "afile", "--steps", "2")
d = tmpfs("4m")
check("train: disk full", LX, "train", "lrpose-n", "--data", C, "--out", d + "/tr", "--steps", "2", after=lambda: "left: " + str(os.listdir(d + "/tr"))); unmount(d)
check("pack: the folder is a file", LX, "pack", "--data", C, "--out", "afile/p")
sys.exit(bool(bad))
