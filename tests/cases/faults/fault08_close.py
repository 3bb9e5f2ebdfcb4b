"""close(): a stream or batch under way opens the networks again behind it, and nobody frees them."""
from common import *
from litepose_edge import Estimator
img = image(320); bad = 0
e = Estimator(threads=2); g = e.stream([img] * 8); next(g); e.close()
try: n = len(list(g)); print("stream after close():", n, "more results")
except RuntimeError as x: print("stream after close():", x); n = 0
left = bool(e._shared._crops._sessions) or e._shared._boxes is not None
print("networks open again after close():", left); bad += left
e = Estimator(threads=2); g = e.stream([img] * 3); e.close()
try: n = len(list(g)); print("stream made before and begun after close():", n, "results")
except RuntimeError as x: print(x); n = 0
bad += bool(n)
sys.exit(bool(bad))
