"""What the Ninapro databases hold: electrodes, rates, file names and movements, each with its source.

Only what could be looked up is here. Left out for want of a source: which of DB6's seven grasps (numbered
1, 3, 4, 6, 9, 10, 11 in its files) and which of DB10's ten has which number; the units of `emg` in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

# The movements of exercises A to D in the order of their numbers: figures of Atzori et al. 2014, Sci. Data 1:140053
# (doi 10.1038/sdata.2014.53), spelt as the databases' pages do (https://ninapro.hevs.ch/instructions/DB2.html). The
# first eight of B are printed with their numbers in Du et al. 2017, Sensors 17:458, table 1.
EXERCISES: dict[str, tuple[str, ...]] = {
    "A": (
        "index_flexion",
        "index_extension",
        "middle_flexion",
        "middle_extension",
        "ring_flexion",
        "ring_extension",
        "little_finger_flexion",
        "little_finger_extension",
        "thumb_adduction",
        "thumb_abduction",
        "thumb_flexion",
        "thumb_extension",
    ),
    "B": (
        "thumb_up",
        "extension_of_index_and_middle_flexion_of_the_others",
        "flexion_of_ring_and_little_finger_extension_of_the_others",
        "thumb_opposing_base_of_little_finger",
        "abduction_of_all_fingers",
        "fingers_flexed_together_in_fist",
        "pointing_index",
        "adduction_of_extended_fingers",
        "wrist_supination_about_middle_finger",
        "wrist_pronation_about_middle_finger",
        "wrist_supination_about_little_finger",
        "wrist_pronation_about_little_finger",
        "wrist_flexion",
        "wrist_extension",
        "wrist_radial_deviation",
        "wrist_ulnar_deviation",
        "wrist_extension_with_closed_hand",
    ),
    "C": (
        "large_diameter_grasp",
        "small_diameter_grasp",
        "fixed_hook_grasp",
        "index_finger_extension_grasp",
        "medium_wrap",
        "ring_grasp",
        "prismatic_four_fingers_grasp",
        "stick_grasp",
        "writing_tripod_grasp",
        "power_sphere_grasp",
        "three_finger_sphere_grasp",
        "precision_sphere_grasp",
        "tripod_grasp",
        "prismatic_pinch_grasp",
        "tip_pinch_grasp",
        "quadpod_grasp",
        "lateral_grasp",
        "parallel_extension_grasp",
        "extension_type_grasp",
        "power_disk_grasp",
        "open_a_bottle_with_a_tripod_grasp",
        "turn_a_screw",
        "cut_something",
    ),
    "D": (  # forces, pressed with the fingers named
        "flexion_of_the_little_finger",
        "flexion_of_the_ring_finger",
        "flexion_of_the_middle_finger",
        "flexion_of_the_index_finger",
        "abduction_of_the_thumb",
        "flexion_of_the_thumb",
        "flexion_of_index_and_little_finger",
        "flexion_of_ring_and_middle_finger",
        "flexion_of_index_finger_and_thumb",
    ),
    # Krasoulis et al. 2019, Front. Neurosci. 13:891; numbered as in LibEMG's loader of DB8.
    "DB8": (
        "thumb_flexion_and_extension",
        "thumb_abduction_and_adduction",
        "index_flexion_and_extension",
        "middle_flexion_and_extension",
        "ring_and_little_flexion_and_extension",
        "index_pointer",
        "cylindrical_grip",
        "lateral_grip",
        "tripod_grip",
    ),
}

# How files are called: S1_A1_E1, S1_E1_A1, S1_D1_T1, S010_ex1.
SAE, SEA, SDT, SEX = "S_A_E", "S_E_A", "S_D_T", "S_ex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One of DB1 to DB10."""

    name: str
    channels: tuple[int, ...]  # columns of `emg`; more than one number where files differ
    rate_hz: float | None  # of the files
    electrodes: str
    layouts: tuple[str, ...]
    exercises: tuple[
        str, ...
    ] = ()  # keys of EXERCISES for E1, E2, ...; empty where the numbers' meaning is unknown
    source: str

    @property
    def movements(self) -> tuple[str, ...]:
        """All movements, counted on from one exercise to the next."""
        return tuple(name for exercise in self.exercises for name in EXERCISES[exercise])


DATABASES = (
    Database(
        name="DB1",
        channels=(10,),
        rate_hz=100,
        electrodes="10 Otto Bock MyoBock 13E200, rectified and smoothed",
        layouts=(SAE,),
        exercises=("A", "B", "C"),
        source="Atzori et al. 2014, IEEE TNSRE 23:73; https://ninapro.hevs.ch/instructions/DB1.html",
    ),
    Database(
        name="DB2",
        channels=(12,),
        rate_hz=2000,
        electrodes="12 Delsys Trigno",
        layouts=(SEA,),
        exercises=("B", "C", "D"),
        source="Atzori et al. 2014, Sci. Data 1:140053; https://ninapro.hevs.ch/instructions/DB2.html",
    ),
    Database(
        name="DB3",
        channels=(12, 10),  # two amputees had no room for more
        rate_hz=2000,
        electrodes="up to 12 Delsys Trigno",
        layouts=(SEA, SAE),  # the copy at datadryad.org (readme: file_stream/42146) has DB1's order
        exercises=("B", "C", "D"),
        source="Atzori et al. 2014, Sci. Data 1:140053; https://ninapro.hevs.ch/instructions/DB3.html",
    ),
    Database(
        name="DB4",
        channels=(12,),
        rate_hz=2000,
        electrodes="12 Cometa Wave Plus",
        layouts=(SEA,),
        exercises=("A", "B", "C"),
        source="Pizzolato et al. 2017, PLoS ONE 12:e0186132; https://ninapro.hevs.ch/instructions/DB4.html",
    ),
    Database(
        name="DB5",
        channels=(16,),
        rate_hz=200,
        electrodes="two Thalmic Myo armbands of 8",
        layouts=(SEA,),
        exercises=("A", "B", "C"),
        source="Pizzolato et al. 2017, PLoS ONE 12:e0186132; https://ninapro.hevs.ch/instructions/DB5.html",
    ),
    Database(
        name="DB6",
        channels=(16, 14),  # two of the 16 columns are empty; some copies leave them out
        rate_hz=2000,
        electrodes="14 Delsys Trigno",
        layouts=(SDT,),
        source="Palermo et al. 2017, IEEE ICORR 1154; https://ninapro.hevs.ch/instructions/DB6.html",
    ),
    Database(
        name="DB7",
        channels=(12,),
        rate_hz=2000,
        electrodes="12 Delsys Trigno IM",
        layouts=(SEA,),
        exercises=("B", "C"),
        source="Krasoulis et al. 2017, J. NeuroEng. Rehabil. 14:71; https://ninapro.hevs.ch/instructions/DB7.html",
    ),
    Database(
        name="DB8",
        channels=(16,),
        rate_hz=2000,
        electrodes="16 Delsys Trigno IM",
        layouts=(SEA,),
        exercises=("DB8",),
        source="Krasoulis et al. 2019, Front. Neurosci. 13:891; https://ninapro.hevs.ch/instructions/DB8.html",
    ),
    Database(
        name="DB9",
        channels=(),
        rate_hz=None,
        electrodes="none: hand kinematics only",
        layouts=(),
        source="Jarque-Bou et al. 2020, Sci. Data 7:12; https://ninapro.hevs.ch/instructions/DB9.html",
    ),
    Database(
        name="DB10",
        channels=(12,),
        rate_hz=1926,
        electrodes="12 Delsys Trigno",
        layouts=(SEX,),
        source="Cognolato et al. 2020, Sci. Data 7:43; https://ninapro.hevs.ch/instructions/DB10.html",
    ),
)
