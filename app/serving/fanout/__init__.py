"""How the streams of a source that one worker reads are heard at all others."""
