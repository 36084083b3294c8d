# The pipeline with its locked packages, not as root: docker build -t reprolens . && docker run reprolens
# Your own pictures: docker run -v ~/pictures:/pictures reprolens make repro USE="folder dataset.path=/pictures"
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install -y --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 reprolens

USER reprolens
WORKDIR /home/reprolens/repository
# Packages first: they change less often than the code.
COPY --chown=reprolens Makefile pyproject.toml README.md requirements*.lock ./
COPY --chown=reprolens pipeline ./pipeline
RUN make setup
COPY --chown=reprolens . .

CMD ["make", "repro"]
