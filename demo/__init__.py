"""The whole federation on one machine: embedded services, the platform's processes, and four hospitals' connectors."""
