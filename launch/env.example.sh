# shellcheck shell=bash disable=SC2034 # The other scripts read it.
# Settings of the TPU scripts. Once: cp launch/env.example.sh launch/env.sh, and
# edit the copy. Another file: ENV_FILE=path bash launch/create_tpu.sh

# The Google Cloud project, with the Cloud TPU API enabled and TPU quota.
PROJECT=my-project
# A zone that has the accelerator and the quota.
ZONE=us-west4-a
# Name of the queued resource and of its TPU (NAME-0, NAME-1, ... if several).
TPU_NAME=taskrobust
# v5litepod-64 is v5e with 64 chips; v4-32 is v4 with 16.
ACCELERATOR_TYPE=v5litepod-64
# v2-alpha-tpuv5-lite for v5litepod, tpu-ubuntu2204-base for v4.
RUNTIME_VERSION=v2-alpha-tpuv5-lite
# TPUs of this kind that train one model together over the data centre network.
NUM_SLICES=1
# spot (cheaper, taken away at any time), on-demand or reserved.
PROVISIONING=spot

# Data, runs and logs lie in this bucket (its name, without gs://). Make it in
# the TPU's region and with folders that are renamed at once and whole, as
# checkpoints are:
#   gcloud storage buckets create gs://my-bucket --location=us-west4 \
#     --uniform-bucket-level-access --enable-hierarchical-namespace
BUCKET=my-bucket
# The folder at which each worker mounts it.
MOUNT=/mnt/bucket
# Names the run and its logs, $MOUNT/logs/$RUN_NAME.
RUN_NAME=pos_bert_base
# What is trained: a config of this checkout, committed.
CONFIG=configs/pos_bert_base_pod.py
# Where prepare_data.sh puts the dataset, under $MOUNT.
DATA_DIR=$MOUNT/data/$RUN_NAME
# The run's folder, under $MOUNT. Nothing but the run writes there.
WORKDIR=$MOUNT/runs/$RUN_NAME
# More flags, of both prepare and pretrain: which files are the corpus, say.
FLAGS=("--config.data.train_path=$MOUNT/text/*.txt")

# Seconds between two looks at the TPU.
POLL=60
# Seconds that create_tpu.sh waits for the TPU; it stays in the queue after.
MAX_WAIT=604800
# babysit_tpu.sh waits that long before it tries again, twice as long each time,
# at most BACKOFF_CAP; a run of LONG_RUN seconds takes it back to the first.
BACKOFF_FIRST=60
BACKOFF_CAP=1800
LONG_RUN=3600
# It gives up at a fault after so many retries without a new checkpoint.
RETRIES=3
