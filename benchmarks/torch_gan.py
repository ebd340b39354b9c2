"""The package's WGAN-GP in PyTorch: same shapes, same arithmetic."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def _same_padding(size: int, kernel_size: int) -> tuple[int, int]:
    """Return the rows that TensorFlow's "same" adds before and after, stride 2."""
    total = max((-(-size // 2) - 1) * 2 + kernel_size - size, 0)
    return total // 2, total - total // 2


class Critic(nn.Module):
    """Convolutions of stride 2, then one number, as ``networks.build_critic``.

    With other arguments it is the encoder, as ``networks.build_encoder``.
    """

    def __init__(self, size, n_bands, filters, kernel_size, outputs=1, slope=0.2):
        super().__init__()
        # The slope of the package's critic; its encoder's is 0.
        self.slope = slope
        self.layers, self.padding = nn.ModuleList(), []
        for n_in, n_out in zip([n_bands, *filters], filters, strict=False):
            before, after = _same_padding(size, kernel_size)
            self.padding.append((before, after, before, after))
            self.layers.append(nn.Conv2d(n_in, n_out, kernel_size, stride=2))
            size = -(-size // 2)
        self.head = nn.Linear(size * size * filters[-1], outputs)

    def forward(self, images):
        """Return the output, of shape (n, outputs)."""
        x = images
        for layer, padding in zip(self.layers, self.padding, strict=True):
            x = functional.leaky_relu(layer(functional.pad(x, padding)), self.slope)
        return self.head(x.flatten(1))


class Generator(nn.Module):
    """Dense, then transposed convolutions, as ``networks.build_generator``."""

    def __init__(self, size, n_bands, filters, kernel_size, latent_dim):
        super().__init__()
        self.base, self.channels = size // 2 ** len(filters), filters[-1]
        self.dense = nn.Linear(latent_dim, self.base**2 * self.channels)
        self.crop, after = _same_padding(2 * self.base, kernel_size)
        # PyTorch cuts the same number of rows at both ends, TensorFlow one more at
        # the end: slice off the rest.
        self.rest = after - self.crop
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, kernel_size, stride=2, padding=self.crop)
            for n_in, n_out in zip(
                filters[::-1], [*filters[-2::-1], n_bands], strict=True
            )
        )

    def forward(self, z):
        """Draw images of shape (n, n_bands, ny, nx)."""
        x = torch.relu(self.dense(z)).view(-1, self.channels, self.base, self.base)
        for k, layer in enumerate(self.layers):
            x = layer(x)
            x = x[..., : x.shape[-2] - self.rest, : x.shape[-1] - self.rest]
            x = torch.sigmoid(x) if k == len(self.layers) - 1 else torch.relu(x)
        return x


class TorchGAN:
    """The training step of :class:`astroanomaly.models.WGANGP` in PyTorch.

    Parameters
    ----------
    gan : WGANGP
        The model whose weights and settings are copied.
    filters : list of int
        Filters per level of its critic.
    channels_last : bool, optional
        Keep images in PyTorch's channels-last memory format.
    """

    def __init__(self, gan, filters: list[int], channels_last: bool = False):
        size, _, n_bands = gan.image_shape
        self.settings = gan
        self.critic = Critic(size, n_bands, filters, gan.kernel_size)
        self.generator = Generator(
            size, n_bands, filters, gan.kernel_size, gan.latent_dim
        )
        copy_critic(gan.critic.get_weights(), self.critic, filters[-1])
        copy_generator(gan.generator.get_weights(), self.generator)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        for network in (self.critic, self.generator):
            network.to(memory_format=self.format)
        # The defaults of WGANGP.compile; 1e-7 is the epsilon of Keras.
        adam = {"lr": 1e-4, "betas": (0.0, 0.9), "eps": 1e-7}
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), **adam)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), **adam)
        self.n_steps = 0

    def n_parameters(self) -> int:
        """Count the weights of both networks."""
        networks = (self.critic, self.generator)
        return sum(p.numel() for net in networks for p in net.parameters())

    def images(self, batch: np.ndarray):
        """Reorder images of shape (n, ny, nx, n_bands) for PyTorch."""
        moved = torch.from_numpy(np.ascontiguousarray(np.moveaxis(batch, -1, 1)))
        return moved.contiguous(memory_format=self.format)

    def penalty(self, mixed):
        """Compute the gradient penalty at mixed images."""
        mixed = mixed.detach().requires_grad_(True)
        gradient = torch.autograd.grad(
            self.critic(mixed).sum(), mixed, create_graph=True
        )[0]
        # 1e-12, as in the package, keeps the gradient of the root finite at zero.
        norm = torch.sqrt(gradient.square().sum(dim=(1, 2, 3)) + 1e-12)
        return (norm - 1).square().mean()

    def step(self, images) -> None:
        """Update the critic and, each `n_critic`-th time, the generator."""
        z = torch.randn(len(images), self.settings.latent_dim)
        alpha = torch.rand(len(images), 1, 1, 1)
        with torch.no_grad():
            fake = self.generator(z)
        mixed = alpha * images + (1 - alpha) * fake
        distance = self.critic(images).mean() - self.critic(fake).mean()
        penalty = self.penalty(mixed)
        loss = self.settings.gradient_penalty_weight * penalty - distance
        self.critic_optimizer.zero_grad()
        loss.backward()
        self.critic_optimizer.step()
        self.n_steps += 1
        if self.n_steps % self.settings.n_critic == 0:
            self._train_generator(len(images))

    def _train_generator(self, n: int) -> None:
        # As in the Keras model, no gradients of the critic: they would cost time.
        self.critic.requires_grad_(False)
        loss = -self.critic(
            self.generator(torch.randn(n, self.settings.latent_dim))
        ).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.critic.requires_grad_(True)


def _set(layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
        layer.bias.copy_(torch.from_numpy(bias))


def copy_critic(weights, critic: Critic, channels: int) -> None:
    """Take over the weights of Keras's critic, or encoder."""
    for k, layer in enumerate(critic.layers):
        _set(layer, weights[2 * k].transpose(3, 2, 0, 1), weights[2 * k + 1])
    # Keras flattens rows, columns, channels; PyTorch channels, rows, columns.
    side = int(round((len(weights[-2]) / channels) ** 0.5))
    head = weights[-2].reshape(side, side, channels, -1).transpose(3, 2, 0, 1)
    _set(critic.head, head.reshape(len(head), -1), weights[-1])


def copy_generator(weights, generator: Generator) -> None:
    """Take over the weights of Keras's generator."""
    shape = (generator.base, generator.base, generator.channels)
    kernel = weights[0].reshape(-1, *shape).transpose(0, 3, 1, 2)
    bias = weights[1].reshape(shape).transpose(2, 0, 1)
    _set(generator.dense, kernel.reshape(len(kernel), -1).T, bias.ravel().copy())
    for k, layer in enumerate(generator.layers, start=1):
        _set(layer, weights[2 * k].transpose(3, 2, 0, 1), weights[2 * k + 1])
