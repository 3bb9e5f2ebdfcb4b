"""Outputs of a model file that are not what its manifest says: IndexError, TypeError, cv2.error ... or numbers that are not finite."""
from common import *
import json, copy, numpy as np
from collections import Counter

from litepose_edge import Estimator
from litepose_edge.errors import LitePoseError
img = image(); sk = skeleton(); hm = {"output": "o", "activation": "linear", "alignment": "corner", "refinement": "dark"}
det = {"task": "detector", "fill": [1, 2, 3], "max_iou": 0.6, "strides": [8], "outputs": ["o"], "output_format": "persondet"}
top = lambda **h: {"task": "topdown", "padding": 1.25, "skeleton": sk, **h}
z = lambda *s: np.zeros(s, np.float32); nan = float("nan"); bad = 0
def check(what, model, outs, kind="pose"):
    global bad
    m = synth("x", outs); p = m.metadata_props.add(); p.key = "litepose_edge"; p.value = json.dumps(manifest(model)); open(R + "/c15.onnx", "wb").write(m.SerializeToString())
    try:
        if kind == "det": r = Estimator("lrpose-n", detector=R + "/c15.onnx", threads=1).predict(img); s = f"{len(r)} people"; f = 0
        else:
            r = Estimator(R + "/c15.onnx", detector=None, threads=1)
            r = r.predict(img) if kind == "bu" else r.predict(img, boxes_xyxy=[[9, 9, 400, 500]]); fin = bool(np.isfinite(r.keypoints).all() and np.isfinite(r.scores).all()); s = f"finite {fin}, scores {r.scores.dtype}"; f = not fin or r.scores.dtype != np.float32
    except LitePoseError as x: s, f = f"{type(x).__name__}", 0
    except Exception as x: s, f = f"{type(x).__module__}.{type(x).__name__}: {str(x)[:70]}", 1
    print("FAULT" if f else "ok   ", what, "->", s); bad += f
check("persondet of 4 channels", det, {"o": z(1, 4, 8, 8) + 9}, "det"); check("persondet of 3 axes", det, {"o": z(5, 8, 8) + 9}, "det"); check("persondet of strings", det, {"o": np.full((1, 5, 8, 8), "x", object)}, "det")
check("persondet of batch 0", det, {"o": z(0, 5, 8, 8)}, "det"); check("rtmdet empty level", {**det, "output_format": {"kind": "rtmdet"}, "strides": [8], "outputs": ["o", "b"]}, {"o": z(1, 1, 8, 8) + 9, "b": z(1, 4, 0, 8)}, "det")
check("heatmaps NaN", top(heatmaps=hm), {"o": z(1, 17, 16, 16) * np.float32(nan)}); check("heatmaps batch 2", top(heatmaps=hm), {"o": z(2, 17, 16, 16)}); check("heatmaps batch 0", top(heatmaps=hm), {"o": z(0, 17, 16, 16)})
check("heatmaps empty", top(heatmaps=hm), {"o": z(1, 17, 0, 16)}); check("heatmaps scalar", top(heatmaps=hm), {"o": z()}); check("heatmaps float64", top(heatmaps=hm), {"o": np.zeros((1, 17, 16, 16))}); check("heatmaps int64", top(heatmaps={**hm, "refinement": "quarter"}), {"o": np.zeros((1, 17, 16, 16), np.int64)})
check("regression NaN", top(regression={"output": "o"}), {"o": z(1, 17, 3) * np.float32(nan)}); check("regression inf", top(regression={"output": "o"}), {"o": z(1, 17, 3) + np.float32("inf")}); check("regression batch 0", top(regression={"output": "o"}), {"o": z(0, 17, 3)})
check("simcc NaN", top(simcc={"x": "o", "y": "b", "activation": "softmax"}), {"o": z(1, 17, 128) * np.float32(nan), "b": z(1, 17, 128)}); check("simcc batches differ", top(simcc={"x": "o", "y": "b"}), {"o": z(1, 17, 128), "b": z(2, 17, 128)}); check("simcc no bins", top(simcc={"x": "o", "y": "b"}), {"o": z(1, 17, 0), "b": z(1, 17, 128)})
bu = {"task": "bottomup", "coarse": "o", "fine": "b", "skeleton": sk}
check("bottom-up int64", bu, {"o": np.zeros((1, 34, 16, 16), np.int64), "b": z(1, 17, 32, 32)}, "bu"); check("bottom-up batch 0", bu, {"o": z(0, 34, 16, 16), "b": z(0, 17, 32, 32)}, "bu"); check("bottom-up NaN", bu, {"o": z(1, 34, 16, 16) * np.float32(nan), "b": z(1, 17, 32, 32)}, "bu")
print(bad, "faults"); sys.exit(bool(bad))
