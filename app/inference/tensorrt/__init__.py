"""TensorRT, its plans and CUDA's memory."""
