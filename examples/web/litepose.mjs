// People and their keypoints from pixels, with ONNX Runtime for JavaScript alone.
// Works in Node (onnxruntime-node) and in browsers (onnxruntime-web): hand in either as `ort`.
//
//   litepose-export portable lrpose-s --detector persondet --colour rgba --out people.onnx
//
// or, for boxes of your own, without --detector.

// One thread keeps a page's or server's others free.
export const OPTIONS = { intraOpNumThreads: 1 };

export class People {
  /**
   * @param ort the module onnxruntime-node or onnxruntime-web
   * @param session of a portable file
   */
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
  }

  /**
   * @param frame { data: Uint8Array of height * width * channels, width, height }, in the order of
   *   channels that the file was made for (--colour)
   * @param boxes [[x1, y1, x2, y2], ...] in pixels, for a file without a detector
   * @returns one { keypoints: [[x, y, score], ...], score, box } a person
   */
  async find(frame, boxes = null) {
    const takesBoxes = this.session.inputNames.includes("boxes_xyxy");
    if (takesBoxes !== (boxes !== null)) {
      throw new Error(takesBoxes ? "expected boxes: the file has no detector" : "the file finds people by itself: give no boxes");
    }
    const given = { frame: this.tensorOf(frame) };
    if (takesBoxes) {
      given.boxes_xyxy = new this.ort.Tensor("float32", Float32Array.from(boxes.flat()), [boxes.length, 4]);
    }
    const found = await this.session.run(given);
    const [people, joints] = found.keypoints.dims;
    const scores = (found.person_scores ?? found.pose_scores).data;
    const rows = (tensor, start, count, width) =>
      Array.from({ length: count }, (_, i) => Array.from(tensor.data.subarray((start + i) * width, (start + i + 1) * width)));
    return Array.from({ length: people }, (_, p) => ({
      keypoints: rows(found.keypoints, p * joints, joints, 3),
      score: scores[p],
      box: boxes ? boxes[p] : rows(found.boxes_xyxy, p, 1, 4)[0],
    }));
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
