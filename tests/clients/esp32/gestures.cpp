// Reads the texts that stdin names, for test_gestures.py to look at.
//
//   read TEXT                  the fields of the event in it, or nothing
//   lines HEX                  which lines of at most 15 bytes these bytes make
//   hand [MS PHASE ID|MS]...   what is held after each step
#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "myostream_gestures.h"

namespace {

void read(const std::string& text) {
  myostream::GestureEvent event;
  if (myostream::read_gesture(text.c_str(), event)) {
    std::printf("%u %" PRIu64 " %u %.9g %.9g [%s] %s", event.phase, event.id, event.gesture_class,
                static_cast<double>(event.strength), static_cast<double>(event.held_s), event.reason, event.gesture);
  }
  std::printf("\n");
}

void lines(const std::string& hex) {
  myostream::LineReader<16> reader;
  for (size_t k = 0; k + 1 < hex.size(); k += 2) {
    if (reader.add(static_cast<char>(std::stoi(hex.substr(k, 2), nullptr, 16)))) std::printf("[%s]", reader.text());
  }
  std::printf("\n");
}

void hand(std::istream& in) {
  myostream::HeldGesture hand(1000);
  std::string phase;
  for (uint32_t now; in >> now;) {
    in >> phase;
    if (phase == "tick") {
      std::printf("%s", hand.tick(now) ? "silent " : "");
    } else {
      myostream::GestureEvent event = {};
      in >> event.id >> event.strength;
      std::snprintf(event.gesture, sizeof event.gesture, "fist");
      event.phase = phase == "onset" ? myostream::ONSET : phase == "hold" ? myostream::HOLD : myostream::RELEASE;
      hand.take(event, now);
    }
    std::printf("%d %.3g,", hand.is("fist") && !hand.is("pinch"), static_cast<double>(hand.strength()));
  }
  std::printf("\n");
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    std::string what, rest;
    in >> what;
    if (what == "hand") {
      hand(in);
      continue;
    }
    std::getline(in >> std::ws, rest);
    if (what == "read") read(rest);
    if (what == "lines") lines(rest);
  }
}
