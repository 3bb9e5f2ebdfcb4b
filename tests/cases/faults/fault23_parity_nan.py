"""export: weights of NaN pass the parity check of detectors (max(0.0, nan) is 0.0), and crash that of pose networks with IndexError."""
from common import *
import torch
from litepose_export.models import networks
bad = 0; torch.manual_seed(0)
for name in ("persondet", "lrpose-n"):
    n = networks.find(name); m = n.build(17, n.input_size); sd = m.state_dict()
    k = [k for k, v in sd.items() if v.ndim == 4][2]
    torch.save({**sd, k: sd[k] * float("nan")}, R + "/c23.pt"); out = R + f"/c23-{name}.onnx"
    if os.path.exists(out): os.unlink(out)
    p = cli("nice", LX, "export", name, "--checkpoint", R + "/c23.pt", "--out", out, "--json"); there = os.path.exists(out)
    print(name, "with NaN weights -> exit", p.returncode, "file written:", there, "TRACEBACK" if "Traceback" in p.stderr else "", (p.stdout.strip() or last(p.stderr))[:330]); bad += there or "Traceback" in p.stderr
    if there:
        import numpy as np, onnxruntime as o
        s = o.InferenceSession(out); y = s.run(None, {s.get_inputs()[0].name: np.zeros([1] + s.get_inputs()[0].shape[1:], np.float32)})
        print("   its outputs are finite:", [bool(np.isfinite(v).all()) for v in y])
sys.exit(bool(bad))
