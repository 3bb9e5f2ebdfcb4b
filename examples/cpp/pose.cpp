// Keypoints of the people in one raw BGR frame from stdin, as JSON, with ONNX Runtime alone.
//
//   litepose-export portable lrpose-s  --out pose.onnx
//   litepose-export portable persondet --out detector.onnx
//   g++ -O2 -std=c++17 pose.cpp -I $ORT/include -L $ORT/lib -lonnxruntime -o pose
//   ffmpeg -i photo.jpg -f rawvideo -pix_fmt bgr24 - | ./pose pose.onnx detector.onnx 640 480
//   ffmpeg -i photo.jpg -f rawvideo -pix_fmt bgr24 - | ./pose pose.onnx 60,0,440,511 640 480
//
// $ORT is an unpacked release of ONNX Runtime (github.com/microsoft/onnxruntime/releases), or leave
// both options out after `apt install libonnxruntime-dev` (then -I /usr/include/onnxruntime).

#include <onnxruntime_cxx_api.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

using Box = std::array<float, 4>;

// A frame as it comes from a camera or decoder: rows of pixels, three bytes each, no gaps.
struct Frame {
  std::vector<std::uint8_t> pixels;
  std::int64_t width, height;
};

class Network {
 public:
  Network(Ort::Env& env, const std::string& path) : session_(nullptr) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    // Threads that wait without spinning leave the machine to others between frames.
    options.AddConfigEntry("session.intra_op.allow_spinning", "0");
#ifdef _WIN32
    const std::wstring native(path.begin(), path.end());
#else
    const std::string& native = path;
#endif
    session_ = Ort::Session(env, native.c_str(), options);
  }

  std::vector<Ort::Value> run(Frame& frame, std::vector<Box>* boxes,
                              const std::vector<const char*>& outputs) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<std::int64_t, 3> shape{frame.height, frame.width, 3};
    std::vector<Ort::Value> given;
    given.push_back(Ort::Value::CreateTensor<std::uint8_t>(
        memory, frame.pixels.data(), frame.pixels.size(), shape.data(), shape.size()));
    std::vector<const char*> names{"frame"};
    if (boxes != nullptr) {
      const std::array<std::int64_t, 2> table{static_cast<std::int64_t>(boxes->size()), 4};
      given.push_back(Ort::Value::CreateTensor<float>(memory, edges(*boxes), boxes->size() * 4,
                                                      table.data(), table.size()));
      names.push_back("boxes_xyxy");
    }
    return session_.Run(Ort::RunOptions{nullptr}, names.data(), given.data(), given.size(),
                        outputs.data(), outputs.size());
  }

 private:
  // An empty vector has no first box, and ONNX Runtime wants an address nevertheless.
  static float* edges(std::vector<Box>& boxes) {
    static float nothing = 0;
    return boxes.empty() ? &nothing : boxes.front().data();
  }

  Ort::Session session_;
};

std::vector<Box> detect(Network& detector, Frame& frame) {
  const auto found = detector.run(frame, nullptr, {"boxes_xyxy", "scores"});
  const float* edges = found[0].GetTensorData<float>();
  const auto people = found[1].GetTensorTypeAndShapeInfo().GetElementCount();
  std::vector<Box> boxes(people);
  for (std::size_t p = 0; p < people; ++p) {
    for (std::size_t i = 0; i < 4; ++i) boxes[p][i] = edges[p * 4 + i];
  }
  return boxes;
}

Frame read_frame(std::int64_t width, std::int64_t height) {
  Frame frame{std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3)), width,
              height};
  const auto got = std::fread(frame.pixels.data(), 1, frame.pixels.size(), stdin);
  if (got != frame.pixels.size()) {
    throw std::runtime_error("expected " + std::to_string(frame.pixels.size()) +
                             " bytes of pixels, got " + std::to_string(got));
  }
  return frame;
}

void print(const std::vector<Ort::Value>& found) {
  const auto shape = found[0].GetTensorTypeAndShapeInfo().GetShape();
  const float* numbers = found[0].GetTensorData<float>();
  const float* scores = found[1].GetTensorData<float>();
  std::printf("{\"people\": [");
  for (std::int64_t p = 0; p < shape[0]; ++p) {
    std::printf("%s{\"score\": %.6g, \"keypoints\": [", p ? ", " : "", scores[p]);
    for (std::int64_t k = 0; k < shape[1]; ++k, numbers += 3) {
      std::printf("%s[%.6g, %.6g, %.6g]", k ? ", " : "", numbers[0], numbers[1], numbers[2]);
    }
    std::printf("]}");
  }
  std::printf("]}\n");
}

int main(int count, char** words) {
  if (count != 5) {
    std::fprintf(stderr, "usage: pose POSE.onnx (DETECTOR.onnx | X1,Y1,X2,Y2) WIDTH HEIGHT\n");
    return 2;
  }
  try {
    Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "pose");
    Frame frame = read_frame(std::atoll(words[3]), std::atoll(words[4]));
    Network pose(env, words[1]);
    std::vector<Box> boxes(1);
    Box& box = boxes.front();
    if (std::sscanf(words[2], "%f,%f,%f,%f", &box[0], &box[1], &box[2], &box[3]) != 4) {
      Network detector(env, words[2]);
      boxes = detect(detector, frame);
    }
    print(pose.run(frame, &boxes, {"keypoints", "pose_scores"}));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
