"""A camera gives 30 frames a second for 5 s; we treat fewer. The saved film must still last about 5 s.

Frames that were dropped are not there, and the file is written as if they had been: rate of the source, not of what came.
"""
import http.server, sys, tempfile, threading, time
from pathlib import Path
import cv2, numpy as np
from litepose_edge.cli.app import run

RATE, SECONDS = 30, 5
rng = np.random.default_rng(0)
scene = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3), dtype=np.uint8), (31, 31), 9)

class Camera(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        began, n = time.monotonic(), 0
        try:
            while time.monotonic() - began < SECONDS:
                jpeg = cv2.imencode(".jpg", np.roll(scene, 4 * n, axis=1))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                self.wfile.write(head + jpeg + b"\r\n")
                n += 1
                time.sleep(max(0, began + n / RATE - time.monotonic()))
        except OSError:
            pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
threading.Thread(target=server.serve_forever, daemon=True).start()

import litepose_edge.estimator as estimator_module
whole = estimator_module.Estimator._predict
from litepose_edge.tracking.tracker import Tracker
update = Tracker.update
def slow(self, *args, **kwargs):  # a board that needs 150 ms a frame, on any machine
    time.sleep(0.15)
    return update(self, *args, **kwargs)
Tracker.update = slow

with tempfile.TemporaryDirectory() as folder:
    out = Path(folder, "out.mp4")
    code = run(["predict", f"http://127.0.0.1:{server.server_port}/cam.mjpg", "--save", str(out)])
    film = cv2.VideoCapture(str(out))
    frames, rate = film.get(cv2.CAP_PROP_FRAME_COUNT), film.get(cv2.CAP_PROP_FPS)
lasts = frames / rate
print(f"exit {code}; camera ran {SECONDS} s; saved {frames:.0f} frames at {rate:.0f}/s = {lasts:.1f} s: {SECONDS / lasts:.1f} times too fast")
sys.exit(not 0.7 * SECONDS < lasts < 1.4 * SECONDS)
