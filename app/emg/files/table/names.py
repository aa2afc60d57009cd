"""What a column is for, by what it is called."""

from __future__ import annotations

import re

_AUX = {
    "accelerometer": r"acc[xyz]?|accel\w*|acceleration",
    "gyroscope": r"gyr[xyz]?|gyro\w*",
    "magnetometer": r"mag[xyz]?|magnet\w*",
    "orientation": r"imu|quat\w*|euler|roll|pitch|yaw|orientation|heading",
    "temperature": r"temp|temperature",
    "battery": r"batt?|battery|vbat",
    "trigger": r"trig\w*|marker\w*|event\w*|sync|ttl|di\d?|digital\w*|status",
    "analog": r"analog\w*|aux\w*|adc|other\w*|not used|unused",
    "force": r"force|fsr|load|torque|pressure|angle\w*|glove",
    "heart": r"ecg|ekg|ppg|eda|gsr|resp\w*|eeg|eog",
}
_TIME = re.compile(
    r"time|timestamps?|t|zeit|zeitstempel|tiempo|temps|tempo|clock|date|datetime|unix|epoch|x\[s\]|seconds?|secs?|ms|"
    r"millis|millisekunden|micros|us",
    re.IGNORECASE,
)
_TIME_IN = re.compile(r"time ?stamps?|\btime\b|zeit|\bclock\b|datetime", re.IGNORECASE)
_COUNTER = re.compile(
    r"(sample|packet|package|frame|row)?[ _]?(index|idx|no\.?|nr|num|number|count|counter|id|seq|nseq)|"
    r"nseq|samples?|packet|package|frame|#|n",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"labels?|class(es)?|klasse|gestures?|gesture[ _]?(id|label|name|class)|target|stimulus|restimulus|relabel|"
    r"movement|activity|action|y|class[ _]?(id|label)|label[ _]?id|pose|motion",
    re.IGNORECASE,
)
_REPETITION = re.compile(r"rep|reps|repetitions?|rerepetition|trial|trials|repeat", re.IGNORECASE)
_PERSON = re.compile(
    r"subject|person|participant|user|session|exercise|day|group|block|subject[ _]?id|id|side|hand",
    re.IGNORECASE,
)
_EMG = re.compile(r"emg|exg|semg|myo", re.IGNORECASE)
_UNITS = re.compile(
    r"[\[(]\s*(s|sec|seconds|ms|us|µs|μs|ns|V|mV|uV|µV|μV|nV|g|G|deg/s|°/s|m/s\^?2|counts?|adc)\s*[\])]|"
    r"[_ ,](s|ms|us|ns|mV|uV|µV|μV)$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[^\W\d_]+(?:\.)?")


def _bare(name: str) -> str:
    """Return a name without its units and what is around."""
    return _UNITS.sub("", name).strip(" \t_-.:[]()\"'#%").strip()


def units_of(name: str) -> str | None:
    """Return the units that a name says, such as ms of `Time (ms)`."""
    found = _UNITS.search(name)
    return None if found is None else (found[1] or found[2])


def is_time(name: str) -> bool:
    """Return whether a column of this name tells the time."""
    return bool(_TIME.fullmatch(_bare(name)) or _TIME.fullmatch(name.strip()) or _TIME_IN.search(name))


def is_counter(name: str) -> bool:
    """Return whether a column of this name counts samples."""
    return bool(_COUNTER.fullmatch(_bare(name)) or name.strip() == "#")


def is_label(name: str) -> bool:
    """Return whether a column of this name holds gestures."""
    return bool(_LABEL.fullmatch(_bare(name)))


def is_repetition(name: str) -> bool:
    """Return whether a column of this name counts repetitions of a gesture."""
    return bool(_REPETITION.fullmatch(_bare(name)))


def is_person(name: str) -> bool:
    """Return whether a column of this name says who or which session it is."""
    return bool(_PERSON.fullmatch(_bare(name)))


def is_emg(name: str) -> bool:
    """Return whether a column of this name is EMG."""
    return bool(_EMG.search(name))


def aux_of(name: str) -> str | None:
    """Return what a column beside EMG delivers, such as accelerometer; None where its name does not say."""
    if is_emg(name):
        return None
    words = [word.lower().strip(".") for word in _WORDS.findall(name.replace("_", " "))]
    for kind, form in _AUX.items():
        if any(re.fullmatch(form, word) for word in words) or re.fullmatch(form, _bare(name).lower()):
            return kind
    return None
