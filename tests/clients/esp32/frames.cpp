// Writes the messages and reads the records that stdin names, for test_esp32.py to look at.
//
//   message FORMAT CHANNELS FIRST COUNT value...  BLOCKS {STREAM CHANNELS FIRST COUNT value...}   -> its bytes in hex
//   record HEX                                                                                 -> its fields
//   gesture HEX                                                                            -> phase, variant, reason
//   text MESSAGE                                                                               -> its type, next_sample
#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "myostream_frames.h"

namespace {

std::vector<double> values(std::istream& in, size_t count) {
  std::vector<double> found(count);
  for (double& value : found) in >> value;
  return found;
}

template <typename Value>
std::vector<Value> as(const std::vector<double>& from) {
  return std::vector<Value>(from.begin(), from.end());
}

void message(std::istream& in) {
  int format, channels, count, blocks;
  uint64_t first;
  in >> format >> channels >> first >> count;
  static uint8_t buffer[65536];
  myostream::MessageWriter writer(buffer, sizeof buffer);
  writer.begin(static_cast<myostream::Format>(format), static_cast<uint16_t>(channels), first);
  bool fits = true;
  for (int k = 0; k < count; k++) {
    const std::vector<double> sample = values(in, channels);
    if (format == myostream::FLOAT32) fits &= writer.add(as<float>(sample).data());
    else if (format == myostream::INT16) fits &= writer.add(as<int16_t>(sample).data());
    else fits &= writer.add(as<int32_t>(sample).data());
  }
  in >> blocks;
  for (int block = 0; block < blocks; block++) {
    int stream;
    in >> stream >> channels >> first >> count;
    fits &= writer.begin_aux(static_cast<uint8_t>(stream), static_cast<uint16_t>(channels), first);
    for (int k = 0; k < count; k++) fits &= writer.add_aux(as<float>(values(in, channels)).data());
  }
  if (!fits) std::printf("too much");
  for (size_t k = 0; k < writer.size(); k++) std::printf("%02x", buffer[k]);
  std::printf("\n");
}

void record(std::istream& in) {
  std::string hex;
  in >> hex;
  std::vector<uint8_t> data;
  for (size_t k = 0; k + 1 < hex.size(); k += 2) data.push_back(std::stoi(hex.substr(k, 2), nullptr, 16));
  myostream::Record found;
  size_t place = 0;
  for (; myostream::read_record(data.data(), data.size(), place, found); place++) {
    std::printf("%u %u %" PRIu64 " %.9g %.9g %.9g %u %u %u;", found.kind, found.prediction, found.sample_index,
                static_cast<double>(found.age_ms), static_cast<double>(found.confidence),
                static_cast<double>(found.intensity), found.decision, found.dropped, static_cast<unsigned>(found.frame));
  }
  std::printf("\n");
}

void gesture(std::istream& in) {
  std::string hex;
  in >> hex;
  uint8_t data[myostream::RECORD];
  for (size_t k = 0; k < sizeof data; k++) data[k] = std::stoi(hex.substr(2 * k, 2), nullptr, 16);
  myostream::Record found;
  if (!myostream::read_record(data, sizeof data, 0, found)) return;
  std::printf("%d %u %u %u %.9g %.9g %s\n", found.kind == myostream::GESTURE, myostream::phase_of(found),
              myostream::variant_of(found), found.prediction, static_cast<double>(found.intensity),
              static_cast<double>(found.age_ms), myostream::reason_of(found));
}

void text(std::istream& in) {
  std::string said;
  std::getline(in >> std::ws, said);
  for (const char* type : {"live", "ack", "error"}) {
    if (myostream::is_type(said.c_str(), type)) std::printf("%s", type);
  }
  uint64_t sample = 0;
  if (myostream::next_sample(said.c_str(), sample)) std::printf(" %" PRIu64, sample);
  std::printf("\n");
}

// What does not fit is refused, and nothing is written beyond the buffer.
void bounds() {
  uint8_t buffer[16 + 8 + 4] = {};
  const int16_t sample[2] = {1, 2};
  const float aux[1] = {1};
  myostream::MessageWriter writer(buffer, 15);
  const bool head = writer.begin(myostream::INT16, 2, 0);
  myostream::MessageWriter larger(buffer, 16 + 8);
  const bool before = larger.add(sample);
  larger.begin(myostream::INT16, 2, 0);
  const bool first = larger.add(sample), second = larger.add(sample), third = larger.add(sample);
  const bool block = larger.begin_aux(0, 1, 0), value = larger.add_aux(aux);
  std::printf("%d %d %d %d %d %d %d %u %zu %d\n", head, before, first, second, third, block, value, larger.samples(),
              larger.size(), buffer[24]);
}

void ring() {
  myostream::SampleRing<int16_t, 1, 8> kept;
  for (int16_t k = 0; k < 20; k++) kept.add(&k);
  std::printf("%u %d %d %d\n", kept.end(), kept[12][0], kept[19][0], kept.end(5) == 20);
  std::printf("%d\n", kept.end(0xFFFFFFFFFFull - 9) == 0x10000000000ull + 20);  // its 32 bits have wrapped
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    std::string what;
    in >> what;
    if (what == "message") message(in);
    if (what == "record") record(in);
    if (what == "gesture") gesture(in);
    if (what == "text") text(in);
    if (what == "bounds") bounds();
    if (what == "ring") ring();
  }
}
