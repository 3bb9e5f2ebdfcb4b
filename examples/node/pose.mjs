// Keypoints of the people in raw frames from stdin, one line of JSON a frame.
//
//   npm install --ignore-scripts onnxruntime-node
//   litepose-export portable lrpose-s --detector persondet --colour rgb --out people.onnx
//   ffmpeg -i film.mp4 -f rawvideo -pix_fmt rgb24 - | node pose.mjs --model people.onnx --size 1280x720
//
// --boxes '[[x1, y1, x2, y2], ...]' for a file without a detector: the same boxes in each frame;
// --channels 4 for a file of --colour rgba.

import { parseArgs } from "node:util";
import { createRequire } from "node:module";
import { OPTIONS, People } from "../web/litepose.mjs";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    size: { type: "string" },
    boxes: { type: "string" },
    channels: { type: "string", default: "3" },
  },
});
const [width, height] = (given.size ?? "").split("x").map(Number);
if (!given.model || !(width > 0 && height > 0)) {
  console.error("usage: pose.mjs --model FILE --size WIDTHxHEIGHT [--boxes JSON] [--channels 4]");
  process.exit(2);
}

// From the folder one works in, as `node_modules` lies there and not beside this file.
const ort = createRequire(`${process.cwd()}/`)("onnxruntime-node");
const people = new People(ort, await ort.InferenceSession.create(given.model, OPTIONS));
const boxes = given.boxes ? JSON.parse(given.boxes) : null;

const size = width * height * Number(given.channels);
const frame = Buffer.alloc(size);
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
