"""What builds and checks this repository, and is in no image: translations and generated documents."""
