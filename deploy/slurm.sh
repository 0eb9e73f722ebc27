#!/bin/sh
#SBATCH --ntasks-per-node=1
#SBATCH --output=slurm-%j.log
# sbatch --nodes=2 --cpus-per-task=32 deploy/slurm.sh python train.py --seeds 0-63 ...
# Begins a Ray cluster within the allocation and runs the command on it, with --cluster added.
set -eu
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))
export OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
token=$HOME/.ray/auth_token # without one anybody who reaches the port can run code
[ -s "$token" ] || { umask 077; mkdir -p "$HOME/.ray"; od -An -N16 -tx1 /dev/urandom | tr -d ' \n' > "$token"; }

srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" \
    ray start --head --block --port="$port" --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false &
sleep 20
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes="$((SLURM_JOB_NUM_NODES - 1))" --ntasks="$((SLURM_JOB_NUM_NODES - 1))" --overlap \
        --exclude="$head" \
        ray start --block --address="$head:$port" --num-cpus="$SLURM_CPUS_PER_TASK" &
    sleep 20
fi
srun --nodes=1 --ntasks=1 --overlap --nodelist="$head" "$@" --cluster "$head:$port"
