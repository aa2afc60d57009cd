// A board that runs the sketch until stdin ends.
#include "stand_ins.h"

#include SKETCH

SerialPort Serial;
WiFiNetwork WiFi;

int main() {
  setup();
  for (;;) loop();
}
