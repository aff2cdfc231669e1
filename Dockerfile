# The dashboard with its workers in one container; see compose.yaml for how it is meant to be started.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app

# dependencies before code: a change of the code leaves this layer, the large one, as it is
COPY requirements.txt ./
RUN pip install --root-user-action=ignore -r requirements.txt

COPY .streamlit .streamlit
COPY cnnapp cnnapp
COPY pages pages
COPY app.py ./
# PYTHONDONTWRITEBYTECODE is for the user, who cannot write here; a start is quicker with the code compiled
RUN python -m compileall -q cnnapp pages app.py

# runs, weights and downloaded datasets; the user owns the folder before it becomes a volume
RUN useradd --create-home --uid 1000 cnnapp && mkdir /data && chown cnnapp:cnnapp /data
ENV CNNAPP_HOME=/data
VOLUME /data
USER cnnapp

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; assert urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4).status == 200"]

# --end-workers: they end with the container, so they are told to save first
ENTRYPOINT ["python", "-m", "cnnapp", "serve", "--port", "8501", "--address", "0.0.0.0", "--end-workers"]
