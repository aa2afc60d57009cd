"""A fleet that speaks the Open Inference Protocol v2, as a backend: Triton, KServe, MLServer, OpenVINO Model Server."""
