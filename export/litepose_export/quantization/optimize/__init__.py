"""Post-training optimization: equalization, bias correction, GPTQ, fine-tuning."""
