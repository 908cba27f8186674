"""Natural speech to train the embedded model on: texts, teachers, a recognizer that checks them, and the corpus."""
