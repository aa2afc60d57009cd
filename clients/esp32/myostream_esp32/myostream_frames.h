// What goes over Myostream's live socket as bytes (docs/live.md): samples there, records of 32 bytes back.
//
// C++11, nothing of Arduino, no memory taken from the heap: it compiles for any microcontroller, and on a PC, where
// tests/clients/test_esp32.py compares its bytes with those of the other clients.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace myostream {

enum Format : uint8_t { FLOAT32 = 1, INT16 = 2, INT24 = 3 };
enum Kind : uint8_t { FRAME = 1, DECISION = 2, PREDICTION = 3, GESTURE = 4 };
enum Phase : uint8_t { BEGAN = 0, IS_HELD = 1, RELEASED = 2 };
enum Variant : uint8_t { SINGLE = 0, DOUBLE = 1, LONG = 2 };

const uint8_t VERSION = 1;
const size_t HEADER = 16;  // bytes; an auxiliary block has one of the same length
const size_t RECORD = 32;
const uint16_t NONE = 65535;  // in the place of a class

inline size_t bytes_of(Format format) { return format == INT16 ? 2 : format == INT24 ? 3 : 4; }

// Little-endian, whatever the machine is.
inline void put(uint8_t* out, uint64_t value, size_t bytes) {
  for (size_t k = 0; k < bytes; k++) out[k] = static_cast<uint8_t>(value >> (8 * k));
}

inline uint64_t get(const uint8_t* in, size_t bytes) {
  uint64_t value = 0;
  for (size_t k = 0; k < bytes; k++) value |= static_cast<uint64_t>(in[k]) << (8 * k);
  return value;
}

inline void put_float(uint8_t* out, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  put(out, bits, sizeof bits);
}

inline float get_float(const uint8_t* in) {
  const uint32_t bits = static_cast<uint32_t>(get(in, sizeof bits));
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Writes one message of samples into a buffer that you bring:
//
//   MessageWriter message(buffer, sizeof buffer);
//   message.begin(INT16, CHANNELS, first_sample);
//   while (...) message.add(sample);         // one value of each channel
//   message.begin_aux(0, 3, first_aux);      // optional, for each stream that was declared
//   message.add_aux(acceleration);
//   client.sendBinary(message.data(), message.size());
//
// What does not fit is not written, and `add` says false.
class MessageWriter {
 public:
  MessageWriter(uint8_t* buffer, size_t capacity) : buffer_(buffer), capacity_(capacity) {}

  bool begin(Format format, uint16_t channels, uint64_t first_sample) {
    size_ = 0;
    block_ = 0;
    if (capacity_ < HEADER) return false;
    format_ = format;
    channels_ = channels;
    memset(buffer_, 0, HEADER);
    buffer_[0] = VERSION;
    buffer_[1] = format;
    put(buffer_ + 8, first_sample, 8);
    size_ = HEADER;
    return true;
  }

  // Whole numbers for INT16 and INT24 (the lower 24 bits), values in the source's units for FLOAT32.
  template <typename Value>
  bool add(const Value* sample) {
    const size_t bytes = bytes_of(format_);
    if (size_ == 0 || block_ != 0 || capacity_ - size_ < channels_ * bytes) return false;
    for (uint16_t channel = 0; channel < channels_; channel++, size_ += bytes) {
      if (format_ == FLOAT32) {
        put_float(buffer_ + size_, static_cast<float>(sample[channel]));
      } else {
        put(buffer_ + size_, static_cast<uint32_t>(static_cast<int32_t>(sample[channel])), bytes);
      }
    }
    count(4);
    return true;
  }

  // `first_sample` counts the stream's own samples, from the same instant as the source's.
  bool begin_aux(uint8_t stream, uint16_t channels, uint64_t first_sample) {
    if (size_ == 0 || capacity_ - size_ < HEADER) return false;
    aux_channels_ = channels;
    block_ = size_;
    memset(buffer_ + block_, 0, HEADER);
    buffer_[block_] = stream;
    put(buffer_ + block_ + 8, first_sample, 8);
    buffer_[2]++;
    size_ += HEADER;
    return true;
  }

  bool add_aux(const float* sample) {
    if (block_ == 0 || capacity_ - size_ < aux_channels_ * sizeof(float)) return false;
    for (uint16_t channel = 0; channel < aux_channels_; channel++, size_ += 4) {
      put_float(buffer_ + size_, sample[channel]);
    }
    count(block_ + 4);
    return true;
  }

  const char* data() const { return reinterpret_cast<const char*>(buffer_); }
  size_t size() const { return size_; }
  uint32_t samples() const { return size_ < HEADER ? 0 : static_cast<uint32_t>(get(buffer_ + 4, 4)); }

 private:
  void count(size_t at) { put(buffer_ + at, get(buffer_ + at, 4) + 1, 4); }

  uint8_t* buffer_;
  size_t capacity_;
  size_t size_ = 0;
  size_t block_ = 0;  // where the auxiliary block begins that is being written; 0: none
  Format format_ = INT16;
  uint16_t channels_ = 0;
  uint16_t aux_channels_ = 0;
};

// A frame, a decision, a prediction or a gesture, as `format=binary` has them. Of a GESTURE `prediction` is the class,
// `age_ms` the seconds since it began, `intensity` how strong it is, `dropped` how many samples ago the muscle began, and
// `frame` its id; `phase_of` and the others read the rest.
struct Record {
  uint8_t kind;
  uint16_t prediction;  // NONE: no model of classes reads the source
  uint64_t sample_index;  // samples since the source began; of a PREDICTION the id of its message
  float age_ms;
  float confidence;
  float intensity;  // of the contraction, 0 to 1
  uint16_t decision;  // what a device should follow; NONE: there is none
  uint16_t dropped;  // frames missed since the record before; 65535: so many or more
  uint32_t frame;
};

// Read the record at `place` of a binary message. False: there is none, or one of another version.
inline bool read_record(const void* data, size_t size, size_t place, Record& record) {
  if (size % RECORD != 0 || place >= size / RECORD) return false;
  const uint8_t* in = static_cast<const uint8_t*>(data) + place * RECORD;
  if (in[0] != VERSION) return false;
  record.kind = in[1];
  record.prediction = static_cast<uint16_t>(get(in + 2, 2));
  record.sample_index = get(in + 4, 8);
  record.age_ms = get_float(in + 12);
  record.confidence = get_float(in + 16);
  record.intensity = get_float(in + 20);
  record.decision = static_cast<uint16_t>(get(in + 24, 2));
  record.dropped = static_cast<uint16_t>(get(in + 26, 2));
  record.frame = static_cast<uint32_t>(get(in + 28, 4));
  return true;
}

// Of a GESTURE: whether it began, is held or ended.
inline Phase phase_of(const Record& record) { return static_cast<Phase>(record.decision & 3); }

inline Variant variant_of(const Record& record) { return static_cast<Variant>(record.decision >> 2 & 3); }

// Why it ended, in the words of docs/events.md; "" of one that has not.
inline const char* reason_of(const Record& record) {
  static const char* const reasons[] = {"",    "gesture", "rest",  "stalled",   "gap",
                                        "quality", "model",   "completed", "shutdown"};
  const size_t number = record.decision >> 4 & 15;
  return number < sizeof reasons / sizeof *reasons ? reasons[number] : "";
}

// The value of a name in a text message, a flat JSON object; nullptr: it has none.
inline const char* value_of(const char* text, const char* name) {
  const size_t length = strlen(name);
  for (const char* found = strchr(text, '"'); found; found = strchr(found + 1, '"')) {
    if (strncmp(found + 1, name, length) != 0 || found[1 + length] != '"') continue;
    const char* value = found + length + 2;
    while (*value == ' ') value++;
    if (*value != ':') continue;
    do value++;
    while (*value == ' ');
    return value;
  }
  return nullptr;
}

// Whether a text message is of that type: {"type":"ack",...}.
inline bool is_type(const char* text, const char* type) {
  const char* value = value_of(text, "type");
  const size_t length = strlen(type);
  return value && *value == '"' && strncmp(value + 1, type, length) == 0 && value[1 + length] == '"';
}

// The sample that the server waits for, of a message "live" or "ack". False: it says null, and any will do.
inline bool next_sample(const char* text, uint64_t& sample) {
  const char* value = value_of(text, "next_sample");
  if (!value || *value < '0' || *value > '9') return false;
  sample = 0;
  for (; *value >= '0' && *value <= '9'; value++) sample = 10 * sample + (*value - '0');
  return true;
}

// The last KEPT samples, each by its index: what is sent, and sent again after a cut. One task may add while another
// reads, as long as the reader is less than KEPT behind; KEPT is a power of two.
template <typename Value, uint16_t CHANNELS, uint32_t KEPT>
class SampleRing {
 public:
  void add(const Value* sample) {
    const uint32_t end = end_;
    memcpy(values_[end % KEPT], sample, sizeof values_[0]);
    __atomic_store_n(&end_, end + 1, __ATOMIC_RELEASE);  // the sample is there before it counts
  }

  // How many were added: 32 bits of it, which wrap after seven weeks at 1000 Hz.
  uint32_t end() const { return __atomic_load_n(&end_, __ATOMIC_ACQUIRE); }

  // The same in full, given an index that is less than 2^32 behind.
  uint64_t end(uint64_t behind) const { return behind + static_cast<uint32_t>(end() - static_cast<uint32_t>(behind)); }

  const Value* operator[](uint64_t index) const { return values_[static_cast<uint32_t>(index) % KEPT]; }

  static_assert((KEPT & (KEPT - 1)) == 0, "a power of two, so that places go on where the index wraps");

 private:
  Value values_[KEPT][CHANNELS] = {};
  uint32_t end_ = 0;
};

}  // namespace myostream
