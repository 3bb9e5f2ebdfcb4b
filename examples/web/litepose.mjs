// People and their keypoints from pixels, with ONNX Runtime for JavaScript alone.
// Works in Node (onnxruntime-node) and in browsers (onnxruntime-web): hand in either as `ort`.
//
//   litepose-export portable lrpose-s  --colour rgba --out pose.onnx
//   litepose-export portable persondet --colour rgba --out detector.onnx

// What both graphs want to know of a machine. One thread keeps a page's or server's others free.
export const OPTIONS = { executionProviders: ["cpu"], intraOpNumThreads: 1 };

// How sure a person of such scores is, as the Python runtime counts it: the log-odds of box and pose
// add up. `minPoseScore` is what `litepose-export portable` reports as min_pose_score.
export function confidence(boxScore, poseScore, minPoseScore) {
  const logit = (score) => {
    const inside = Math.min(Math.max(score, 1e-6), 1 - 1e-6);
    return Math.log(inside / (1 - inside));
  };
  const odds =
    0.65 * logit(Math.min(boxScore, 0.6)) + logit(poseScore) + 0.35 * logit(0.3) - logit(minPoseScore);
  return 1 / (1 + Math.exp(-odds));
}

export class People {
  /**
   * @param ort the module onnxruntime-node or onnxruntime-web
   * @param pose session of the portable pose network
   * @param detector session of the portable detector; null where boxes are always given
   * @param minPoseScore of the pose network; minScore: people found who are less sure are left out
   */
  constructor(ort, pose, detector = null, { minPoseScore = 0.476, minScore = 0.3 } = {}) {
    this.ort = ort;
    this.pose = pose;
    this.detector = detector;
    this.minPoseScore = minPoseScore;
    this.minScore = minScore;
  }

  /**
   * @param frame { data: Uint8Array of height * width * channels, width, height }, in the order of
   *   channels that the files were made for (--colour)
   * @param boxes [[x1, y1, x2, y2], ...] in pixels: one person a box comes back. The detector finds
   *   the people unless given
   * @returns one { keypoints: [[x, y, score], ...], score, box } a person
   */
  async find(frame, boxes = null) {
    const pixels = this.tensorOf(frame);
    if (boxes) return this.poses(pixels, boxes);
    const [found, scores] = await this.boxes(pixels);
    const people = await this.poses(pixels, found);
    people.forEach((person, p) => {
      person.score = confidence(scores[p], person.score, this.minPoseScore);
    });
    return people.filter((person) => person.score >= this.minScore);
  }

  async poses(pixels, boxes) {
    const edges = Float32Array.from(boxes.flat());
    const table = new this.ort.Tensor("float32", edges, [boxes.length, 4]);
    const found = await this.pose.run({ frame: pixels, boxes_xyxy: table });
    const [people, joints] = found.keypoints.dims;
    const numbers = found.keypoints.data;
    return Array.from({ length: people }, (_, p) => ({
      keypoints: Array.from({ length: joints }, (_, k) =>
        Array.from(numbers.subarray((p * joints + k) * 3, (p * joints + k + 1) * 3)),
      ),
      score: found.pose_scores.data[p],
      box: boxes[p],
    }));
  }

  async boxes(pixels) {
    if (!this.detector) throw new Error("expected boxes, or a detector that finds them");
    const found = await this.detector.run({ frame: pixels });
    const edges = found.boxes_xyxy.data;
    const boxes = Array.from({ length: found.scores.dims[0] }, (_, p) =>
      Array.from(edges.subarray(p * 4, p * 4 + 4)),
    );
    return [boxes, found.scores.data];
  }

  tensorOf({ data, width, height }) {
    const channels = data.length / (width * height);
    if (channels !== 3 && channels !== 4) {
      throw new Error(`expected ${width} x ${height} pixels of 3 or 4 bytes, got ${data.length} bytes`);
    }
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
    return new this.ort.Tensor("uint8", bytes, [height, width, channels]);
  }
}
