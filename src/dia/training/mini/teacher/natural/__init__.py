"""Natural speech to train the embedded model on: texts, teachers, a recogniser that checks them, and the corpus."""
