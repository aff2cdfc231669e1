"""The commands of ``python -m cnnapp``, by what they are about."""
