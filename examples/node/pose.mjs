// Keypoints of the people in raw frames from stdin, one line of JSON a frame.
//
//   npm install --ignore-scripts onnxruntime-node
//   litepose-export portable lrpose-s  --colour rgb --out pose.onnx
//   litepose-export portable persondet --colour rgb --out detector.onnx
//   ffmpeg -i film.mp4 -f rawvideo -pix_fmt rgb24 - | \
//     node pose.mjs --pose pose.onnx --detector detector.onnx --size 1280x720
//
// --boxes '[[x1, y1, x2, y2], ...]' instead of --detector: the same boxes in each frame.

import { parseArgs } from "node:util";
import { createRequire } from "node:module";
import { OPTIONS, People } from "../web/litepose.mjs";

const { values: given } = parseArgs({
  options: {
    pose: { type: "string" },
    detector: { type: "string" },
    size: { type: "string" },
    boxes: { type: "string" },
    channels: { type: "string", default: "3" },
  },
});
const [width, height] = (given.size ?? "").split("x").map(Number);
if (!given.pose || !(width > 0 && height > 0) || !(given.detector || given.boxes)) {
  console.error("usage: pose.mjs --pose FILE --size WIDTHxHEIGHT (--detector FILE | --boxes JSON)");
  process.exit(2);
}

// From the folder one works in, as `node_modules` lies there and not beside this file.
const ort = createRequire(`${process.cwd()}/`)("onnxruntime-node");
const open = (file) => ort.InferenceSession.create(file, OPTIONS);
const people = new People(ort, await open(given.pose), given.detector && (await open(given.detector)));
const boxes = given.boxes ? JSON.parse(given.boxes) : null;

const size = width * height * Number(given.channels);
let frame = Buffer.alloc(size);
let filled = 0;
for await (const chunk of process.stdin) {
  for (let used = 0; used < chunk.length; ) {
    const taken = chunk.copy(frame, filled, used, used + size - filled);
    used += taken;
    filled += taken;
    if (filled === size) {
      const start = performance.now();
      const found = await people.find({ data: frame, width, height }, boxes);
      console.log(JSON.stringify({ people: found, ms: performance.now() - start }));
      filled = 0;
    }
  }
}
if (filled) {
  console.error(`the last frame has ${filled} of ${size} bytes: is --size right?`);
  process.exit(1);
}
