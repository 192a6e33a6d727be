"""Train, compress, lower, cost and export a network: the whole chain in ten lines."""

import lamina

model = lamina.models.lenet5()
lamina.fit(model, lamina.data.digits(), out="runs/mine")
small, report = lamina.compress(model, lamina.data.digits(), method="deep_compression")
network = lamina.lower(small, input_shape=(1, 1, 28, 28))
print(report)
print(lamina.cost(network, ["cpu", "diannao", "systolic:rows=32,columns=32"]))
lamina.export.c(network, "runs/mine/export")
