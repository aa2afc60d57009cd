// Muscle signals from the ADC of an ESP32 to a Myostream server, and its decisions back, on one WebSocket.
//
// Needs the library ArduinoWebsockets 0.5.4 of Gil Maimon (Library Manager: "ArduinoWebsockets"). The server runs with
// EMG_MODE=push and a model of CHANNELS channels at RATE_HZ, or with EMG_MODEL=none to record and train one first.
#include <ArduinoWebsockets.h>
#include <WiFi.h>
#include <esp_timer.h>

#include "myostream_frames.h"

const char* const WIFI_NAME = "your network";
const char* const WIFI_PASSWORD = "its password";
const char* const HOST = "192.168.1.20";  // the server
const int PORT = 8000;
const char* const API_KEY = "";  // of the scopes control and read, where the server has keys
const char* const SOURCE = "esp32";
const char* const SERVER_CA = nullptr;  // its certificate authority in PEM, for wss://

const uint8_t PINS[] = {36, 39, 34, 35};  // of ADC1: ADC2 is not to be had while WiFi is on
const uint16_t CHANNELS = sizeof PINS;
const uint32_t RATE_HZ = 1000;
const char* const SCALE = "0.8058608";  // mV of one count: 3.3 V in 4096, before your amplifier's gain
const uint32_t BATCH = RATE_HZ / 50;  // samples of a message: 20 ms
const uint32_t KEPT = 2048;  // samples that outlive a cut: some 2 s, and a power of two
const uint32_t SILENT_MS = 15000;  // the server asks every 5 s whether anybody is there
const uint32_t FIRST_DELAY_MS = 250, LONGEST_DELAY_MS = 5000;

websockets::WebsocketsClient client;
myostream::SampleRing<int16_t, CHANNELS, KEPT> samples;
uint8_t buffer[myostream::HEADER + BATCH * CHANNELS * sizeof(int16_t)];

bool greeted = false;  // by the server: it takes samples now
uint64_t sent = 0, taken = 0;  // samples since this board began: that were sent, and that the server has
uint64_t offset = 0;  // of the server's count: it may know the source from before this board began
bool placed = false;  // whether that is known
uint32_t heard_ms = 0, try_ms = 0, delay_ms = FIRST_DELAY_MS;

// What your device does. A connection that is lost, or a source that stalls, must stop it: that is `myostream::NONE`.
void follow(uint16_t decision) {
  if (decision == myostream::NONE) {
    Serial.println("no decision: stop");
  } else {
    Serial.printf("decision %u\n", static_cast<unsigned>(decision));
  }
}

// Runs RATE_HZ times a second, in the task of the timers.
void take_sample(void*) {
  int16_t sample[CHANNELS];
  for (uint16_t channel = 0; channel < CHANNELS; channel++) sample[channel] = analogRead(PINS[channel]);
  samples.add(sample);
}

void heard(websockets::WebsocketsMessage message) {
  heard_ms = millis();
  if (message.isBinary()) {
    myostream::Record record;
    const std::string& data = message.rawData();
    for (size_t place = 0; myostream::read_record(data.data(), data.size(), place, record); place++) {
      if (record.kind == myostream::DECISION) follow(record.decision);
    }
    return;
  }
  const char* text = message.c_str();
  if (myostream::is_type(text, "live")) {
    uint64_t waits_for;
    const bool known = myostream::next_sample(text, waits_for);
    if (known && !placed) {
      offset = waits_for - sent;
    } else {  // go on where the server is; a new one has what this one took
      sent = known && waits_for >= offset && waits_for - offset <= samples.end(sent) ? waits_for - offset : taken;
    }
    placed = greeted = true;
    delay_ms = FIRST_DELAY_MS;
  } else if (myostream::is_type(text, "ack")) {
    uint64_t next;
    if (myostream::next_sample(text, next) && next >= offset) taken = next - offset;
  } else if (myostream::is_type(text, "error")) {
    Serial.println(text);  // says what was wrong; a close follows
  }
}

void happened(websockets::WebsocketsEvent event, String) {
  heard_ms = millis();  // a ping, too; the library answers it
  if (event == websockets::WebsocketsEvent::ConnectionClosed) {
    Serial.printf("closed: %d\n", static_cast<int>(client.getCloseReason()));
  }
}

bool connect() {
  String path = String("/emg/sources/") + SOURCE + "/live?channels=" + String(CHANNELS) +
                "&sampling_rate_hz=" + String(RATE_HZ) + "&units=mV&scale=" + SCALE +
                "&send=decisions&format=binary";
  heard_ms = millis();
  return SERVER_CA ? client.connectSecure(HOST, PORT, path) : client.connect(HOST, PORT, path);
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  if (SERVER_CA) client.setCACert(SERVER_CA);
  if (*API_KEY) client.addHeader("X-API-Key", API_KEY);
  // else the library names its own page on GitHub, and the server refuses pages of other origins (403)
  client.addHeader("Origin", String(SERVER_CA ? "https://" : "http://") + HOST);
  client.onMessage(heard);
  client.onEvent(happened);

  esp_timer_create_args_t timer = {};
  timer.callback = take_sample;
  timer.name = "samples";
  esp_timer_handle_t handle;
  esp_timer_create(&timer, &handle);
  esp_timer_start_periodic(handle, 1000000 / RATE_HZ);
}

// What is too old is being written over: the server counts it as a gap.
void let_go() {
  const uint64_t end = samples.end(sent);
  if (end - sent > KEPT - BATCH) sent = end - (KEPT - BATCH);
}

void send_what_there_is() {
  while (greeted && samples.end(sent) - sent >= BATCH) {
    let_go();
    myostream::MessageWriter message(buffer, sizeof buffer);
    message.begin(myostream::INT16, CHANNELS, sent + offset);
    for (uint32_t k = 0; k < BATCH; k++) message.add(samples[sent + k]);
    if (!client.sendBinary(message.data(), message.size())) return;
    sent += BATCH;
    client.poll();
  }
}

void loop() {
  client.poll();
  let_go();
  if (client.available() && millis() - heard_ms < SILENT_MS) {
    send_what_there_is();
    delay(1);
    return;
  }
  if (greeted) {
    greeted = false;
    client.close();
    follow(myostream::NONE);
  }
  if (WiFi.status() != WL_CONNECTED || static_cast<int32_t>(millis() - try_ms) < 0) {
    delay(10);
    return;
  }
  if (!connect()) Serial.println("no connection");
  try_ms = millis() + delay_ms;
  delay_ms = delay_ms * 2 < LONGEST_DELAY_MS ? delay_ms * 2 : LONGEST_DELAY_MS;
}
