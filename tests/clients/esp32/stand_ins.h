// As much of the ESP32's Arduino core and of ArduinoWebsockets as the sketch uses, on a PC: sockets of this machine, and
// a clock that is this machine's. Names and signatures are those of the core 3.0 and of the library 0.5.4.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

class String {
 public:
  String(const char* text = "") : text_(text) {}
  explicit String(int value) : text_(std::to_string(value)) {}
  explicit String(unsigned value) : text_(std::to_string(value)) {}
  const char* c_str() const { return text_.c_str(); }
  String operator+(const String& more) const { return String((text_ + more.text_).c_str()); }

 private:
  std::string text_;
};

inline uint32_t millis() {
  using namespace std::chrono;
  return static_cast<uint32_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}
inline void delay(uint32_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

extern uint32_t taken_samples;  // each of its channels counts on from it
inline uint16_t analogRead(uint8_t pin) { return static_cast<uint16_t>((taken_samples + pin) % 4096); }

struct SerialPort {
  void begin(unsigned long) {}
  void println(const char* text) { std::printf("%s\n", text), std::fflush(stdout); }
  void printf(const char* format, ...) __attribute__((format(printf, 2, 3))) {
    va_list values;
    va_start(values, format);
    std::vprintf(format, values);
    va_end(values);
    std::printf("\n");
    std::fflush(stdout);
  }
};
extern SerialPort Serial;

enum { WL_CONNECTED = 3 };
struct WiFiNetwork {
  void begin(const char*, const char*) {}
  int status() { return WL_CONNECTED; }
};
extern WiFiNetwork WiFi;

typedef void (*esp_timer_cb_t)(void*);
struct esp_timer_create_args_t {
  esp_timer_cb_t callback;
  void* arg;
  const char* name;
};
typedef esp_timer_create_args_t* esp_timer_handle_t;
int esp_timer_create(const esp_timer_create_args_t* arguments, esp_timer_handle_t* handle);
int esp_timer_start_periodic(esp_timer_handle_t handle, uint64_t period_us);

namespace websockets {

enum class WebsocketsEvent { ConnectionOpened, ConnectionClosed, GotPing, GotPong };
enum CloseReason { CloseReason_None = -1, CloseReason_NormalClosure = 1000 };

class WebsocketsMessage {
 public:
  WebsocketsMessage(bool binary, std::string data) : binary_(binary), data_(std::move(data)) {}
  bool isBinary() const { return binary_; }
  const std::string& rawData() const { return data_; }
  const char* c_str() const { return data_.c_str(); }

 private:
  bool binary_;
  std::string data_;
};

// Blocking where the library is; a mask of zeros, as it sends.
class WebsocketsClient {
 public:
  void addHeader(const String key, const String value) { headers_ += (key + ": " + value + "\r\n").c_str(); }
  void setCACert(const char*) {}
  void onMessage(std::function<void(WebsocketsMessage)> callback) { message_ = callback; }
  void onEvent(std::function<void(WebsocketsEvent, String)> callback) { event_ = callback; }
  bool connectSecure(const String, const int, const String) { return false; }

  bool connect(const String host, const int port, const String path) {
    in_.clear();
    reason_ = CloseReason_None;
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return gone();
    std::string request = (String("GET ") + path + " HTTP/1.1\r\nHost: " + host + "\r\n").c_str();
    request += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + headers_;
    request += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    request += "User-Agent: TinyWebsockets Client\r\n\r\n";
    if (!write(request)) return false;
    while (in_.find("\r\n\r\n") == std::string::npos) {
      if (!read(5000)) return gone();
    }
    const std::string head = in_.substr(0, in_.find("\r\n\r\n"));
    if (head.compare(0, 12, "HTTP/1.1 101") != 0 || head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == std::string::npos) {
      std::printf("%s\n", head.substr(0, head.find("\r\n")).c_str());
      return gone();
    }
    in_.erase(0, head.size() + 4);
    return true;
  }

  bool available() { return socket_ >= 0; }
  CloseReason getCloseReason() const { return reason_; }

  bool poll() {
    bool any = false;
    while (available() && (whole() || read(0))) {
      while (available() && whole()) {
        handle();
        any = true;
      }
    }
    return any;
  }

  bool sendBinary(const char* data, const size_t length) { return available() && frame(2, std::string(data, length)); }

  void close() {
    if (available()) frame(8, std::string("\x03\xe8", 2));
    gone();
  }

 private:
  bool gone() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
    return false;
  }

  bool write(const std::string& data) {
    for (size_t at = 0; at < data.size();) {
      const ssize_t count = ::send(socket_, data.data() + at, data.size() - at, MSG_NOSIGNAL);
      if (count <= 0) return gone();
      at += static_cast<size_t>(count);
    }
    return true;
  }

  bool read(int timeout_ms) {
    pollfd look = {socket_, POLLIN, 0};
    if (::poll(&look, 1, timeout_ms) <= 0) return false;
    char data[65536];
    const ssize_t count = recv(socket_, data, sizeof data, 0);
    if (count <= 0) return gone();
    in_.append(data, static_cast<size_t>(count));
    return true;
  }

  size_t begins() const { return (in_[1] & 127) < 126 ? 2 : 4; }
  size_t length() const {
    const size_t said = static_cast<uint8_t>(in_[1]) & 127;
    return said < 126 ? said : static_cast<uint8_t>(in_[2]) * 256u + static_cast<uint8_t>(in_[3]);
  }
  bool whole() const { return in_.size() >= 2 && in_.size() >= begins() && in_.size() >= begins() + length(); }

  void handle() {
    const int opcode = in_[0] & 15;
    const std::string data = in_.substr(begins(), length());
    in_.erase(0, begins() + length());
    if (opcode == 1 || opcode == 2) {
      message_(WebsocketsMessage(opcode == 2, data));
    } else if (opcode == 9) {
      frame(10, data);
      event_(WebsocketsEvent::GotPing, String(data.c_str()));
    } else if (opcode == 8) {
      frame(8, data.substr(0, 2));
      reason_ = static_cast<CloseReason>(static_cast<uint8_t>(data[0]) * 256 + static_cast<uint8_t>(data[1]));
      gone();
      event_(WebsocketsEvent::ConnectionClosed, String(data.c_str()));
    }
  }

  bool frame(int opcode, const std::string& data) {
    std::string out(1, static_cast<char>(0x80 | opcode));
    if (data.size() < 126) {
      out += static_cast<char>(0x80 | data.size());
    } else {
      out += static_cast<char>(0x80 | 126);
      out += static_cast<char>(data.size() >> 8);
      out += static_cast<char>(data.size() & 255);
    }
    return write(out + std::string(4, '\0') + data);
  }

  int socket_ = -1;
  std::string in_, headers_;
  CloseReason reason_ = CloseReason_None;
  std::function<void(WebsocketsMessage)> message_;
  std::function<void(WebsocketsEvent, String)> event_;
};

}  // namespace websockets
