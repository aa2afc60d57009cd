// As much of Arduino, of the ESP32's core and of the libraries Servo and ESP32Servo as the sketch uses, on a PC: the serial
// port is stdin and stdout, the servo prints where it goes. Names and signatures are those of the ESP32's core 3.0.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>

inline uint32_t millis() {
  using namespace std::chrono;
  return static_cast<uint32_t>(duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}
inline void delay(uint32_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

struct SerialPort {
  void begin(unsigned long) {}
  int available() {
    pollfd look = {0, POLLIN, 0};
    if (byte_ < 0 && poll(&look, 1, 0) > 0) {
      unsigned char byte;
      if (::read(0, &byte, 1) != 1) _exit(0);  // whoever wrote has left
      byte_ = byte;
    }
    return byte_ >= 0;
  }
  int read() {
    const int byte = byte_;
    byte_ = -1;
    return byte;
  }
  void println(const char* text) { std::printf("%s\n", text), std::fflush(stdout); }

 private:
  int byte_ = -1;
};
extern SerialPort Serial;

class Servo {
 public:
  void attach(int) {}
  void write(int value) {
    if (value != angle_) std::printf("%d\n", value), std::fflush(stdout);
    angle_ = value;
  }

 private:
  int angle_ = -1;
};

struct WiFiNetwork {
  void begin(const char*, const char*) {}
};
extern WiFiNetwork WiFi;

class WiFiUDP {
 public:
  uint8_t begin(uint16_t port) {
    socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    fcntl(socket_, F_SETFL, O_NONBLOCK);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  int parsePacket() {
    const ssize_t count = recv(socket_, packet_, sizeof packet_, 0);
    size_ = count > 0 ? static_cast<int>(count) : 0;
    return size_;
  }
  int read(char* out, size_t size) {
    int count = 0;
    for (; count < size_ && static_cast<size_t>(count) < size; count++) out[count] = packet_[count];
    return count;
  }

 private:
  int socket_ = -1, size_ = 0;
  char packet_[2048];
};
