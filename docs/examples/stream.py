"""Streams pictures to a collector and prints what became of each. Needs grpcio and grpcio-tools.

    python3 docs/examples/stream.py --collector 127.0.0.1:9090 PICTURE…
"""

import argparse
import pathlib
import sys
import threading
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
frame = grpc.protos("airside/v1/frame.proto")
ingest, services = grpc.protos_and_services("airside/v1/ingest.proto")

parser = argparse.ArgumentParser(description="Stream pictures to a collector.")
parser.add_argument("--collector", default="127.0.0.1:9090", metavar="HOST:PORT")
parser.add_argument("--section", default="1")
parser.add_argument("pictures", nargs="+", type=pathlib.Path, metavar="PICTURE")
options = parser.parse_args()

AGENT, CAMERA, EPOCH = "stream.py", "1", time.time_ns() // 1000
credits = threading.Semaphore(0)  # frames that we may send


def requests():
    yield ingest.StreamRequest(hello=ingest.Hello(agent=AGENT, camera=CAMERA, epoch=EPOCH))
    for sequence, picture in enumerate(options.pictures, start=1):
        credits.acquire()
        identity = frame.FrameId(agent=AGENT, camera=CAMERA, epoch=EPOCH, sequence=sequence)
        yield ingest.StreamRequest(frame=frame.Frame(
            id=identity, captured_at_us=time.time_ns() // 1000, section=options.section,
            event=frame.EVENT_ENTRY, image=picture.read_bytes()))


recorded = 0
with grpc.insecure_channel(options.collector) as channel:
    for response in services.FrameIngestStub(channel).Stream(requests()):
        if response.HasField("credits"):
            for _ in range(response.credits.frames):
                credits.release()
        elif response.HasField("acknowledgement"):
            answer = response.acknowledgement
            outcome = ingest.Outcome.Name(answer.outcome)
            print(options.pictures[answer.id.sequence - 1], outcome, f"faces={answer.faces}", answer.reason)
            recorded += outcome == "OUTCOME_RECORDED"
sys.exit(recorded != len(options.pictures))
