// Keypoints of the people in one raw BGR frame from stdin, as JSON, with ONNX Runtime alone.
//
//   litepose-export portable lrpose-s --detector persondet --out people.onnx
//   g++ -O2 -std=c++17 pose.cpp -I $ORT/include -L $ORT/lib -lonnxruntime -o pose
//   ffmpeg -i photo.jpg -f rawvideo -pix_fmt bgr24 - | ./pose people.onnx 640 480
//
// A file without a detector takes boxes: ./pose pose.onnx 640 480 60,0,440,511 ...
//
// $ORT is an unpacked release of ONNX Runtime (github.com/microsoft/onnxruntime/releases), or leave
// -L out after `apt install libonnxruntime-dev` (then -I /usr/include/onnxruntime).

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

Ort::Session open(Ort::Env& env, const std::string& path) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  // Threads that wait without spinning leave the machine to others between frames.
  options.AddConfigEntry("session.intra_op.allow_spinning", "0");
#ifdef _WIN32
  const std::wstring native(path.begin(), path.end());
#else
  const std::string& native = path;
#endif
  return Ort::Session(env, native.c_str(), options);
}

// Keypoints and scores of the people in a frame: in the boxes, or those whom the file finds.
std::vector<Ort::Value> find(Ort::Session& session, Frame& frame, std::vector<Box>& boxes) {
  const bool takes_boxes = session.GetInputCount() > 1;
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const std::array<std::int64_t, 3> shape{frame.height, frame.width, 3};
  const std::array<std::int64_t, 2> table{static_cast<std::int64_t>(boxes.size()), 4};
  std::vector<Ort::Value> given;
  given.push_back(Ort::Value::CreateTensor<std::uint8_t>(
      memory, frame.pixels.data(), frame.pixels.size(), shape.data(), shape.size()));
  boxes.emplace_back();  // no box is an address nevertheless
  if (takes_boxes) {
    given.push_back(Ort::Value::CreateTensor<float>(memory, boxes.front().data(),
                                                    (boxes.size() - 1) * 4, table.data(),
                                                    table.size()));
  }
  const std::array<const char*, 2> inputs{"frame", "boxes_xyxy"};
  const std::array<const char*, 2> outputs{"keypoints",
                                           takes_boxes ? "pose_scores" : "person_scores"};
  auto found = session.Run(Ort::RunOptions{nullptr}, inputs.data(), given.data(), given.size(),
                           outputs.data(), outputs.size());
  boxes.pop_back();
  return found;
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
  if (count < 4) {
    std::fprintf(stderr, "usage: pose MODEL.onnx WIDTH HEIGHT [X1,Y1,X2,Y2 ...]\n");
    return 2;
  }
  try {
    Frame frame = read_frame(std::atoll(words[2]), std::atoll(words[3]));
    std::vector<Box> boxes;
    for (int i = 4; i < count; ++i) {
      Box box;
      if (std::sscanf(words[i], "%f,%f,%f,%f", &box[0], &box[1], &box[2], &box[3]) != 4) {
        throw std::runtime_error(std::string("expected X1,Y1,X2,Y2, got ") + words[i]);
      }
      boxes.push_back(box);
    }
    Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "pose");
    Ort::Session session = open(env, words[1]);
    print(find(session, frame, boxes));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
