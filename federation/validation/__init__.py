"""What comes from elsewhere, held to bounds at the door, and reported by field where it is wrong.

Platform, connector and verifier read documents through this package alone, so that nothing is a bound on one side and
none on the other.
"""

from federation.validation.faults import EMPTY, FAULTS_MAX, PLAIN, Better, path_of, plain, refusal

__all__ = ["EMPTY", "FAULTS_MAX", "PLAIN", "Better", "path_of", "plain", "refusal"]
