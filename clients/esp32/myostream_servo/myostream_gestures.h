// Gestures as events, in the JSON that a Myostream server says them in (docs/events.md): lines of a serial port, datagrams
// of EMG_UDP_JSON, or texts of a live socket.
//
// C++11, nothing of Arduino, no memory taken from the heap: it compiles for any microcontroller, and on a PC, where
// tests/clients/esp32/test_gestures.py gives it what a server sent.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

namespace myostream {

enum GesturePhase : uint8_t { ONSET, HOLD, RELEASE };

const size_t NAME = 64;  // bytes of a name, with the zero at its end; a longer one is cut

struct GestureEvent {
  char gesture[NAME];  // name of the class, as JSON writes it
  GesturePhase phase;
  uint64_t id;  // the same from onset to release
  uint16_t gesture_class;
  float strength;  // 0 to 1
  float held_s;
  char reason[16];  // of a release; else empty
};

// The value of a name in a flat JSON object, which may stand behind something else ("data: {...}"); nullptr: it has none.
inline const char* json_value(const char* text, const char* name) {
  const size_t length = strlen(name);
  bool within = false;  // a string
  for (const char* at = text; *at; at++) {
    if (within && *at == '\\' && at[1]) {
      at++;
      continue;
    }
    if (*at != '"') continue;
    within = !within;
    if (!within || strncmp(at + 1, name, length) != 0 || at[1 + length] != '"') continue;
    const char* value = at + length + 2;
    while (*value == ' ') value++;
    if (*value != ':') continue;
    do value++;
    while (*value == ' ');
    return value;
  }
  return nullptr;
}

// A text value, without its quotes. False: there is none, or it does not end.
inline bool json_text(const char* text, const char* name, char* out, size_t size) {
  const char* value = json_value(text, name);
  if (!value || *value != '"') return false;
  size_t length = 0;
  for (value++; *value && *value != '"'; value++) {
    if (*value == '\\' && value[1]) {
      if (length + 1 < size) out[length++] = *value;
      value++;
    }
    if (length + 1 < size) out[length++] = *value;
  }
  out[length] = 0;
  return *value == '"';
}

inline bool json_number(const char* text, const char* name, float& out) {
  const char* value = json_value(text, name);
  if (!value) return false;
  char* end;
  const double found = strtod(value, &end);
  if (end == value) return false;
  out = static_cast<float>(found);
  return true;
}

inline bool json_whole(const char* text, const char* name, uint64_t& out) {
  const char* value = json_value(text, name);
  if (!value || *value < '0' || *value > '9') return false;
  out = 0;
  for (; *value >= '0' && *value <= '9'; value++) out = 10 * out + static_cast<uint64_t>(*value - '0');
  return true;
}

// Read an event out of a text. False: it is none, as a frame is none, or it was cut.
inline bool read_gesture(const char* text, GestureEvent& event) {
  char phase[10];
  uint64_t number;
  if (!json_text(text, "phase", phase, sizeof phase) || !json_text(text, "gesture", event.gesture, NAME)) return false;
  if (!json_whole(text, "id", event.id) || !json_whole(text, "class", number) || number > 65534) return false;
  if (!json_number(text, "strength", event.strength) || !json_number(text, "held_s", event.held_s)) return false;
  const char* end = strrchr(text, '}');
  if (!end) return false;
  event.gesture_class = static_cast<uint16_t>(number);
  if (!json_text(text, "reason", event.reason, sizeof event.reason)) event.reason[0] = 0;
  if (strcmp(phase, "onset") == 0) event.phase = ONSET;
  else if (strcmp(phase, "hold") == 0) event.phase = HOLD;
  else if (strcmp(phase, "release") == 0) event.phase = RELEASE;
  else return false;
  return true;
}

// Puts lines together out of bytes. One that is too long is left out whole.
template <size_t SIZE>
class LineReader {
 public:
  // True: a line is there, in `text()`, until the next byte.
  bool add(char byte) {
    if (byte == '\n' || byte == '\r') {
      const bool whole = length_ > 0 && !too_long_;
      text_[length_] = 0;
      length_ = 0;
      too_long_ = false;
      return whole;
    }
    if (length_ + 1 < SIZE) text_[length_++] = byte;
    else too_long_ = true;
    return false;
  }

  const char* text() const { return text_; }

 private:
  char text_[SIZE] = {};
  size_t length_ = 0;
  bool too_long_ = false;
};

// What the hand does now. What is held ends by its release, or where nothing more is heard of it: the server says `hold`
// every half second (`hold_s` of the rules), so a cable that was pulled out, or a lost datagram, does not hold it for ever.
class HeldGesture {
 public:
  explicit HeldGesture(uint32_t silent_ms = 1250) : silent_ms_(silent_ms) {}

  void take(const GestureEvent& event, uint32_t now_ms) {
    if (event.phase == RELEASE) {
      if (held_ && event_.id == event.id) held_ = false;
      if (!gone_ || event.id > gone_id_) gone_id_ = event.id;  // ids count up
      gone_ = true;
      return;
    }
    if (gone_ && event.id == gone_id_) return;  // a datagram that overtook its release
    event_ = event;
    heard_ms_ = now_ms;
    held_ = true;
  }

  // Call it in each turn of the loop. True: what was held has just ended by silence.
  bool tick(uint32_t now_ms) {
    if (!held_ || now_ms - heard_ms_ <= silent_ms_) return false;
    held_ = false;
    return true;
  }

  bool is(const char* gesture) const { return held_ && strcmp(event_.gesture, gesture) == 0; }
  bool held() const { return held_; }
  float strength() const { return held_ ? event_.strength : 0; }

 private:
  GestureEvent event_ = {};
  uint32_t silent_ms_, heard_ms_ = 0;
  bool held_ = false, gone_ = false;
  uint64_t gone_id_ = 0;
};

}  // namespace myostream
