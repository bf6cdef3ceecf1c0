"""DeepSeek-OCR and its kin: page images to vision tokens, vision tokens to text."""
