// People and their keypoints from pixels, with ONNX Runtime for JavaScript alone.
// Works in Node (onnxruntime-node) and in browsers (onnxruntime-web): hand in either as `ort`.
//
//   litepose-export portable lrpose-s  --colour rgba --out pose.onnx
//   litepose-export portable persondet --colour rgba --out detector.onnx

// What both graphs want to know of a machine. One thread keeps a page's or server's others free.
export const OPTIONS = { executionProviders: ["cpu"], intraOpNumThreads: 1 };

export class People {
  /**
   * @param ort the module onnxruntime-node or onnxruntime-web
   * @param pose session of the portable pose network
   * @param detector session of the portable detector; null where boxes are always given
   */
  constructor(ort, pose, detector = null) {
    this.ort = ort;
    this.pose = pose;
    this.detector = detector;
  }

  /**
   * @param frame { data: Uint8Array of height * width * channels, width, height }, in the order of
   *   channels that the files were made for (--colour)
   * @param boxes [[x1, y1, x2, y2], ...] in pixels; found by the detector unless given
   * @returns one { keypoints: [[x, y, score], ...], score, box } a person
   */
  async find(frame, boxes = null) {
    const pixels = this.tensorOf(frame);
    const given = boxes ?? (await this.boxes(pixels));
    const table = new this.ort.Tensor("float32", Float32Array.from(given.flat()), [given.length, 4]);
    const found = await this.pose.run({ frame: pixels, boxes_xyxy: table });
    const [people, joints] = found.keypoints.dims;
    const numbers = found.keypoints.data;
    return Array.from({ length: people }, (_, p) => ({
      keypoints: Array.from({ length: joints }, (_, k) =>
        Array.from(numbers.subarray((p * joints + k) * 3, (p * joints + k + 1) * 3)),
      ),
      score: found.pose_scores.data[p],
      box: given[p],
    }));
  }

  async boxes(pixels) {
    if (!this.detector) throw new Error("expected boxes, or a detector that finds them");
    const found = await this.detector.run({ frame: pixels });
    const edges = found.boxes_xyxy.data;
    return Array.from({ length: found.scores.dims[0] }, (_, p) =>
      Array.from(edges.subarray(p * 4, p * 4 + 4)),
    );
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
