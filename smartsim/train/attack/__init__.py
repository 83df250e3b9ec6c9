"""MODEL x IMAGES -> IMAGES: gradient attacks in the l-inf ball, and how many images stand them."""
