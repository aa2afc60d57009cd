#include "stand_ins.h"
