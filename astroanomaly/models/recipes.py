"""The models that a run can train, by name.

A new model needs its folder, with a recipe, and one line here.
"""

from astroanomaly.models.autoencoders import recipe as autoencoders
from astroanomaly.models.lens_finder.recipe import FINDER
from astroanomaly.models.pca.recipe import COMPONENTS
from astroanomaly.models.progressive.recipe import PROGRESSIVE
from astroanomaly.models.rbm.recipe import MACHINE
from astroanomaly.models.smooth_lens.recipe import SMOOTH
from astroanomaly.models.wgan_gp.recipe import HSC, WGAN_GP

RECIPES = {
    "wgan_gp": WGAN_GP,
    "hsc": HSC,
    "progressive": PROGRESSIVE,
    "pca": COMPONENTS,
    "rbm": MACHINE,
    "dcae": autoencoders.CONVOLUTIONAL,
    "cvae": autoencoders.VARIATIONAL,
    "aae": autoencoders.ADVERSARIAL,
    "lens_finder": FINDER,
    "smooth_lens": SMOOTH,
}
