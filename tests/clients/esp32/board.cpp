// A board that runs the sketch: its timer is a thread, and its main loop ends when stdin does.
#include "stand_ins.h"

#include SKETCH

uint32_t taken_samples = 0;
SerialPort Serial;
WiFiNetwork WiFi;

int esp_timer_create(const esp_timer_create_args_t* arguments, esp_timer_handle_t* handle) {
  *handle = new esp_timer_create_args_t(*arguments);
  return 0;
}

int esp_timer_start_periodic(esp_timer_handle_t handle, uint64_t period_us) {
  std::thread([handle, period_us] {
    auto due = std::chrono::steady_clock::now();
    for (;;) {
      handle->callback(handle->arg);
      taken_samples++;
      due += std::chrono::microseconds(period_us);
      std::this_thread::sleep_until(due);
    }
  }).detach();
  return 0;
}

int main() {
  setup();
  for (;;) {
    loop();
    pollfd look = {0, POLLIN, 0};
    char byte;
    if (poll(&look, 1, 0) > 0 && read(0, &byte, 1) == 0) _exit(0);
  }
}
