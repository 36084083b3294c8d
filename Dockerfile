# Every role, with the locked packages and not as root: docker build -t reprolens .
#   docker run reprolens                              the pipeline
#   docker run reprolens reprolens tune --trials 40   the search for better params
#   docker run reprolens reprolens retrain            what a clock starts: deploy/README.md
# Your own pictures: docker run -v ~/pictures:/pictures reprolens make repro USE="folder dataset.path=/pictures"
# Without a Docker engine: deploy/chroot.sh, which knows the steps that stand here.
FROM python:3.12-slim

# Folders are made here: WORKDIR makes root's in some engines. A volume at /workspace keeps what retraining needs.
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 reprolens \
    && install -d -o reprolens -g reprolens /home/reprolens/repository /workspace

USER reprolens
WORKDIR /home/reprolens/repository
# Packages first: they change less often than the code.
COPY --chown=reprolens Makefile pyproject.toml README.md requirements*.lock ./
COPY --chown=reprolens pipeline ./pipeline
RUN make setup
COPY --chown=reprolens . .
ENV PATH=/home/reprolens/repository/.venv/bin:$PATH

CMD ["make", "repro"]
