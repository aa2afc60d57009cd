"""People's profiles: how a person wears the electrodes, which model reads them, and how it decides."""
