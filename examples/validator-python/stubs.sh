#!/usr/bin/env bash
# Makes the modules of the protos again, with grpcio-tools.
set -euo pipefail
cd "$(dirname "$0")"
python3 -m grpc_tools.protoc -I ../../proto --python_out src --pyi_out src --grpc_python_out src \
    emend/v1/record.proto emend/v1/validator.proto
# No service is in it.
rm -f src/emend/v1/record_pb2_grpc.py
