// A servo that closes while a fist is made, as far as it is strong: by lines on the serial port, on any Arduino, and on an
// ESP32 by Wi-Fi as well. README.md beside it says how the server's events come here.
//
// Needs a library with the Library Manager: "ESP32Servo" on an ESP32, "Servo" elsewhere.
#if defined(ESP32)
#include <ESP32Servo.h>
#include <WiFi.h>
#include <WiFiUdp.h>
#else
#include <Servo.h>
#endif

#include "myostream_gestures.h"

const char* const GRIP = "fist";  // as the model calls it
const int SERVO_PIN = 9;          // on an ESP32 take one that can, such as 18
const int OPEN_DEG = 20, CLOSED_DEG = 160;
const float FASTEST_DEG_S = 400;

const char* const WIFI_NAME = "";  // of an ESP32; empty: by the serial port only
const char* const WIFI_PASSWORD = "its password";
const uint16_t UDP_PORT = 12347;  // of EMG_UDP_JSON

Servo servo;
myostream::LineReader<512> line;
myostream::HeldGesture hand;
float angle = OPEN_DEG;
uint32_t moved_ms = 0;
#if defined(ESP32)
WiFiUDP udp;
#endif

void heard(const char* text) {
  myostream::GestureEvent event;
  if (myostream::read_gesture(text, event)) hand.take(event, millis());
}

void listen() {
  while (Serial.available() > 0) {
    if (line.add(static_cast<char>(Serial.read()))) heard(line.text());
  }
#if defined(ESP32)
  static char datagram[512];
  while (*WIFI_NAME && udp.parsePacket() > 0) {
    const int size = udp.read(datagram, sizeof datagram - 1);
    datagram[size > 0 ? size : 0] = 0;
    heard(datagram);
  }
#endif
}

void move() {
  const uint32_t now = millis();
  const float most = FASTEST_DEG_S * (now - moved_ms) / 1000;
  moved_ms = now;
  const float aim = hand.is(GRIP) ? OPEN_DEG + hand.strength() * (CLOSED_DEG - OPEN_DEG) : OPEN_DEG;
  const float way = aim - angle;
  angle += way > most ? most : way < -most ? -most : way;
  servo.write(static_cast<int>(angle + 0.5f));
}

void setup() {
  Serial.begin(115200);
  servo.attach(SERVO_PIN);
#if defined(ESP32)
  if (*WIFI_NAME) {
    WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
    udp.begin(UDP_PORT);
  }
#endif
}

void loop() {
  listen();
  if (hand.tick(millis())) Serial.println("silence: open");
  move();
  delay(10);
}
