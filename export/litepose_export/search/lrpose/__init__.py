"""The space around LRPose: dense blocks, their widths and depths, the stage at stride 32."""
